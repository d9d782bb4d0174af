// The cluster: each app's objects as a live tree, with health, marks of what was touched by hand, and a way to touch it.

import { clock, fill, h, icon, toast } from "./dom.js";
import { recent } from "./git.js";
import { get, on, post, store } from "./store.js";

const LOOK_MS = 1000;
const COMMITS = 12;
const closed = new Set();
let chosen = "";

export function clusterPane() {
  const tree = h("div.tree");
  const history = h("aside.beside", { "aria-label": "Git history" });
  const note = h("div.banner", { role: "status", hidden: true });
  const filter = h("input", { type: "search", placeholder: "Filter by app or object", "aria-label": "Filter by app or object" });
  const pane = h("div.pane.cluster", {},
    h("header.pane-head", {}, h("h1", {}, "Cluster"), h("p.soft", {}, "shop-eu, as its API server tells it. Choose an object to edit or delete it by hand: the bot will notice."), filter),
    note, h("div.cluster-body", {}, tree, history));
  let last = "";
  let apps = [];
  let timer = 0;
  const draw = () => {
    const none = note.hidden ? "Nothing of the bot is here yet." : "What is on the cluster is not known yet.";
    fill(tree, apps.length ? apps.map((one) => branch(one, filter.value.toLowerCase(), draw)) : h("div.empty", {}, h("p", {}, none)));
    fill(history, h("h2", {}, "Git"), recent(COMMITS));
  };
  const warn = (text) => {
    note.hidden = !text;
    note.textContent = text || "";
    tree.classList.toggle("stale", Boolean(text));
  };
  const look = async () => {
    clearTimeout(timer);
    if (store.place.pane !== "cluster") return;
    if (!document.hidden) {
      try {
        const said = await get("/api/cluster");
        const text = JSON.stringify(said);
        warn(said.unreachable && `${said.unreachable}${said.at ? ` This is how it was at ${clock(new Date(said.at * 1000))}.` : ""}`);
        if (text !== last) {
          last = text;
          ({ apps } = said);
          store.apps = apps.flatMap((one) => one.state ?? []);
          draw();
        }
      } catch (error) {
        warn(error.message);
      }
    }
    if (store.place.pane === "cluster") timer = setTimeout(look, LOOK_MS);
  };
  filter.addEventListener("input", draw);
  on("place", look);
  on("git hello", draw);
  return pane;
}

const WORDS = { healthy: "healthy", progressing: "in progress", degraded: "degraded", suspended: "suspended", unknown: "unknown" };

function dot(health) {
  return h("span.dot", { class: health, role: "img", "aria-label": WORDS[health] ?? health, title: WORDS[health] ?? health });
}

function worst(nodes) {
  const order = ["degraded", "progressing", "unknown", "suspended", "healthy"];
  const all = nodes.map((one) => one.health);
  return order.find((state) => all.includes(state)) ?? "healthy";
}

/** The reason stands where it begins, at the Pod, and not again at everything above it. */
function saidBelow(node, message) {
  return node.children.some((child) => child.message === message || saidBelow(child, message));
}

function branch(one, query, redraw) {
  const fits = (node) => !query || one.app.includes(query) || `${node.kind} ${node.name}`.toLowerCase().includes(query) || node.children.some(fits);
  const objects = one.objects.filter(fits);
  if (!objects.length && !(one.app.includes(query) && !one.objects.length)) return null;
  const isOpen = !closed.has(one.app);
  const hands = one.objects.filter((node) => node.hands.length).length;
  return h("section.app", { "aria-label": one.app },
    h("div.app-head", {},
      h("h2", {}, h("button", {
        type: "button",
        "aria-expanded": String(isOpen),
        dataset: { key: `app ${one.app}` },
        onclick: () => { closed[isOpen ? "add" : "delete"](one.app); redraw(); },
      }, icon("down"), dot(one.objects.length ? worst(one.objects) : "unknown"), one.app, h("span.soft", {}, one.objects[0]?.namespace ?? ""), hands > 0 && h("span.hand-mark", {}, icon("hand"), `${hands} touched by hand`))),
      one.state && standing(one.state)),
    isOpen && (objects.length
      ? h("ul", {}, objects.map((node) => leaf(node, redraw)))
      : h("p.soft.none", {}, "Nothing of it is on the cluster yet.")));
}

/** What the bot says of an app: the commit it is at, and what keeps it from the newest one. */
function standing({ revision, sync, control }) {
  const held = control !== "running" ? control : sync;
  return h("span.standing", {},
    held !== "synced" && h("span.tag", { class: held === "failed" ? "bad" : "" }, held.replace("-", " ")),
    revision && h("a", { href: `#git/${revision}`, title: "The commit it is at" }, h("code", {}, revision.slice(0, 7))));
}

function leaf(node, redraw) {
  const isChosen = chosen === node.path;
  const folds = node.children.length > 0;
  const isOpen = !folds || !closed.has(node.path);
  return h("li", {},
    h("div.node", { class: isChosen ? "chosen" : "" },
      folds
        ? h("button.fold", { type: "button", "aria-label": isOpen ? "Fold" : "Unfold", "aria-expanded": String(isOpen), onclick: () => { closed[isOpen ? "add" : "delete"](node.path); redraw(); } }, icon("down"))
        : h("span.fold"),
      dot(node.health),
      h("button.node-name", { type: "button", "aria-expanded": String(isChosen), dataset: { key: `node ${node.path}` }, onclick: () => { chosen = isChosen ? "" : node.path; redraw(); } },
        h("span.kind", {}, node.kind), h("strong", {}, node.name)),
      h("span.soft.node-detail", {}, node.detail),
      node.hands.length > 0 && h("span.hand-mark", { title: `fields owned by ${node.hands.join(", ")}` }, icon("hand"), "by hand")),
    node.health !== "healthy" && node.message && !saidBelow(node, node.message) && h("p.node-message", { class: node.health }, node.message),
    isChosen && editor(node, redraw),
    folds && isOpen && h("ul", {}, node.children.map((child) => leaf(child, redraw))));
}

const editors = new Map();

/** The form of the chosen object; kept while the tree around it is drawn again, so that what was typed stays. */
function editor(node, redraw) {
  if (editors.has(node.path)) return editors.get(node.path);
  editors.clear();
  const area = h("textarea.yaml", { "aria-label": `${node.kind} ${node.name} as YAML`, rows: 14, spellcheck: "false", disabled: true, dataset: { key: `yaml ${node.path}` } });
  const act = async (body, said) => {
    try {
      await post("/api/object", { path: node.path, ...body });
      toast(said);
      chosen = "";
      editors.clear();
      redraw();
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  const scales = ["Deployment", "StatefulSet", "ReplicaSet"].includes(node.kind);
  const replicas = h("input", { type: "number", min: 0, max: 20, value: (node.detail.match(/\/(\d+)/) || [0, 1])[1], "aria-label": "Replicas" });
  const own = store.hello.own.cluster;
  const form = h("div.editor", {},
    area,
    h("div.editor-buttons", {},
      node.kind !== "Secret" && h("button.button.primary", { type: "button", onclick: () => act({ text: area.value }, `${node.kind} ${node.name} was edited by hand.`) }, "Save"),
      scales && h("span.scale", {}, replicas, h("button.button", { type: "button", onclick: () => act({ replicas: Number(replicas.value) }, `${node.kind} ${node.name} was scaled by hand.`) }, "Scale")),
      !own && h("button.button.danger", { type: "button", onclick: () => act({ delete: true }, `${node.kind} ${node.name} was deleted by hand.`) }, "Delete"),
      h("button.button", { type: "button", onclick: () => { chosen = ""; editors.clear(); redraw(); } }, "Cancel")));
  get(`/api/object?path=${encodeURIComponent(node.path)}`)
    .then((said) => {
      area.value = said.text;
      area.disabled = node.kind === "Secret";
    })
    .catch((error) => toast(error.message, { bad: true }));
  editors.set(node.path, form);
  return form;
}
