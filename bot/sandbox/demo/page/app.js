// The page: windows, keys, and the stream that feeds them.

import { fill, h, icon } from "./dom.js";
import { chatPane } from "./chat.js";
import { clusterPane } from "./cluster.js";
import { configPane } from "./config.js";
import { gitPane } from "./git.js";
import { oncallPane } from "./oncall.js";
import { buildRail } from "./rail.js";
import { watchModals } from "./dialogs.js";
import { openSwitcher } from "./switcher.js";
import { go, watchPlace } from "./place.js";
import { listen, on, store, unread } from "./store.js";

const TABS = [
  ["slack", "Slack", chatPane],
  ["oncall", "On-call", oncallPane],
  ["cluster", "Cluster", clusterPane],
  ["git", "Git", gitPane],
  ["config", "Config", configPane],
];

const main = document.getElementById("main");
const panes = new Map(TABS.map(([id, , build]) => [id, build()]));
for (const [id, pane] of panes) {
  pane.hidden = true;
  pane.dataset.pane = id;
  main.append(pane);
}

function count(id) {
  if (id === "oncall") return store.alerts.filter((one) => one.open && !one.acknowledged).length;
  if (id === "slack" && store.place.pane !== "slack") return store.hello.channels.reduce((sum, one) => sum + unread(one.id), 0);
  return 0;
}

on("hello place alerts messages user", () => {
  if (!store.hello) return;
  fill(document.getElementById("tabs"), TABS.map(([id, label]) => {
    const open = count(id);
    return h("a.tab", { href: `#${id}`, "aria-current": store.place.pane === id ? "page" : null, dataset: { key: `tab ${id}` } },
      icon(id), h("span", {}, label), open > 0 && h("span.badge", { "aria-label": `${open} new` }, open > 99 ? "99+" : open));
  }));
  for (const [id, pane] of panes) pane.hidden = id !== store.place.pane;
  const waiting = count("oncall") + store.hello.channels.reduce((sum, one) => sum + unread(one.id), 0);
  document.title = `${waiting ? `(${waiting}) ` : ""}gitops-bot demo`;
});

on("world hello", () => {
  const { status } = store.world.health;
  const kind = { ok: "healthy", degraded: "progressing", stuck: "degraded", ended: "degraded" }[status] ?? "unknown";
  fill(document.getElementById("health"), h("span.dot", { class: kind, "aria-hidden": "true" }), h("span", {}, `bot ${status}`));
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openSwitcher();
  } else if (event.key === "Escape" && store.place.pane === "slack" && store.place.thread && !document.querySelector("dialog[open]")) {
    go({ thread: "" });
    document.getElementById("write").focus();
  } else if (event.key === "/" && !typing && store.place.pane === "slack" && !document.querySelector("dialog[open]")) {
    document.getElementById("write").focus();
  } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown") && store.place.pane === "slack") {
    event.preventDefault();
    const ids = store.hello.channels.map((one) => one.id);
    const at = ids.indexOf(store.place.channel);
    go({ channel: ids[(at + (event.key === "ArrowDown" ? 1 : -1) + ids.length) % ids.length] });
  }
});

buildRail(document.getElementById("rail"), document.getElementById("rail-toggle"));
watchModals();
watchPlace();
listen((connected) => {
  document.getElementById("offline").hidden = connected;
});
