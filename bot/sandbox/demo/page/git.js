// The repository's history, what is deployed where, and what each commit changed.

import { ago, fill, h, toast } from "./dom.js";
import { avatar, diffLines } from "./chat.js";
import { changed, get, on, post, store } from "./store.js";
import { go } from "./place.js";

const LOOK_MS = 2000;

export function gitPane() {
  const list = h("div.commits");
  const patch = h("div.patch", { hidden: true });
  const pane = h("div.pane.git", {},
    h("header.pane-head", {}, h("h1", {}, "Git"), h("p.soft", { id: "git-about" })),
    h("div.git-body", {}, list, patch));
  let last = "";
  let timer = 0;
  let shown = "";
  const draw = () => {
    const commits = store.commits || [];
    const about = pane.querySelector("#git-about");
    about.textContent = store.hello?.own.repo
      ? "The repository is your own: the bot reads it, this page does not."
      : `fleet, branch main. Clone it and push to it: git clone ${store.hello?.folder}/fleet.git`;
    fill(list, h("ol", {}, commits.map(row)));
  };
  const show = async () => {
    const id = store.place.item || "";
    if (id === shown) return;
    shown = id;
    patch.hidden = !id;
    pane.classList.toggle("showing", Boolean(id));
    if (!id) return;
    fill(patch, h("p.soft", {}, "Reading…"));
    try {
      const said = await get(`/api/git/${encodeURIComponent(idOf(id))}`);
      if (shown !== id) return;
      const [message, ...rest] = said.patch.split("\n---\n");
      fill(patch,
        h("div.patch-head", {}, h("h2", {}, message.trim().split("\n")[0], " ", h("code", {}, idOf(id).slice(0, 7))), h("button.button.small", { type: "button", onclick: () => go({ item: "" }) }, "Close")),
        message.trim().includes("\n") && h("p", {}, message.trim().split("\n").slice(1).join("\n").trim()),
        h("pre.code", { tabindex: 0 }, diffLines(rest.length ? rest.join("\n---\n") : said.patch)));
    } catch (error) {
      fill(patch, h("p", {}, error.message));
    }
  };
  const look = async () => {
    clearTimeout(timer);
    if (store.place.pane !== "git") return;
    await refresh();
    show();
    const text = JSON.stringify([store.commits, store.apps, store.place.item, Boolean(store.hello)]);
    if (text !== last) {
      last = text;
      draw();
    }
    timer = setTimeout(look, LOOK_MS);
  };
  on("place hello", look);
  let head = "";
  on("world hello", () => {
    if (!store.hello || store.world.head === head) return;
    head = store.world.head;
    if (store.place.pane === "git") look();
    else refresh();
  });
  return pane;
}

/** The last commits and what is deployed where, for beside the cluster. */
export function recent(count) {
  return h("ol", {}, (store.commits || []).slice(0, count).map(row));
}

async function refresh() {
  try {
    const said = await get("/api/git");
    store.commits = said.commits;
    store.apps = said.apps;
    changed("git");
  } catch {
    // The page says elsewhere that the demo does not answer; the history stays as it was.
  }
}

function row(commit) {
  const at = (store.apps || []).filter((one) => one.revision === commit.id).map((one) => one.app);
  const at7 = commit.id.slice(0, 7);
  const open = store.place.item && commit.id.startsWith(idOf(store.place.item));
  const everywhere = at.length > 3;
  return h("li.commit", { class: `${commit.dropped ? "dropped" : ""} ${open ? "here" : ""}` },
    avatarOf(commit.author),
    h("div.commit-body", {},
      h("a", { href: `#git/${commit.id}`, "aria-current": open ? "true" : null, dataset: { key: `commit ${commit.id}` } }, commit.subject),
      h("p.soft", {}, `${commit.author.name} · ${ago(new Date(commit.at * 1000))}`, commit.files.length ? ` · ${where(commit.files)}` : ""),
      h("div.marks", {},
        commit.branch && h("span.tag.branch", {}, commit.branch),
        commit.branch && commit.branch !== "main" && h("button.button.small", { type: "button", dataset: { key: `merge ${commit.branch}` }, onclick: () => merge(commit.branch) }, "Merge into main"),
        commit.dropped && h("span.tag", {}, "dropped by a force-push"),
        everywhere ? h("span.tag.deployed", { title: at.join(", ") }, `deployed: ${at.length} apps`) : at.map((name) => h("span.tag.deployed", {}, `deployed: ${name}`)))),
    h("code", {}, at7));
}

/** A link may name a branch where a commit is meant. */
function idOf(item) {
  return (store.commits || []).find((one) => one.branch === item)?.id ?? item;
}

async function merge(branch) {
  try {
    toast((await post("/api/git", { merge: branch })).message);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

function avatarOf(author) {
  const user = store.hello?.users.find((one) => one.real_name === author.name);
  return user ? avatar(user.id, "small") : h("span.avatar.small.grey", { "aria-hidden": "true" }, author.name[0]);
}

function where(files) {
  const folders = [...new Set(files.map((file) => file.split("/").slice(0, 2).join("/")))];
  return folders.length > 3 ? `${files.length} files` : folders.join(", ");
}
