// Where the person is, kept in the address so that back, forward and links work: #slack/C0DEPLOYS/1700000000.000100

import { changed, store } from "./store.js";

export const PANES = ["slack", "oncall", "cluster", "git", "config"];

/** Go somewhere; what is not said stays. */
export function go(place) {
  const next = { ...store.place, ...place };
  if (place.channel !== undefined && place.thread === undefined) next.thread = "";
  const hash = next.pane === "slack" ? ["slack", next.channel, next.thread].filter(Boolean).join("/") : [next.pane, next.item].filter(Boolean).map(encodeURIComponent).join("/");
  if (location.hash.slice(1) !== hash) history.pushState(null, "", `/#${hash}`);
  read();
}

export function read() {
  // Links to commits in messages have the form a Git host gives them.
  const linked = location.pathname.match(/^\/fleet\/(?:commit\/([0-9a-f]+)|compare\/[^.]+\.\.\.(.+))$/);
  if (linked) history.replaceState(null, "", `/#git/${encodeURIComponent(linked[1] ?? decodeURIComponent(linked[2]))}`);
  const [pane, first = "", second = ""] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const narrow = matchMedia("(max-width: 720px)").matches;
  if (!PANES.includes(pane)) store.place = { pane: "slack", channel: narrow ? "" : "C0DEPLOYS", thread: "", item: "" };
  else if (pane === "slack") store.place = { pane, channel: first || (narrow ? "" : "C0DEPLOYS"), thread: second, item: "" };
  else store.place = { ...store.place, pane, thread: "", item: first };
  changed("place");
}

export function watchPlace() {
  addEventListener("popstate", read);
  addEventListener("hashchange", read);
  // Links to this very page (commits) change the place, they do not load it again.
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest("a[data-here]");
    if (!anchor || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    history.pushState(null, "", new URL(anchor.href).pathname);
    read();
  });
  read();
}
