// Ctrl-K: go to a channel, a window or an app's status by typing a few letters of it.

import { fill, h } from "./dom.js";
import { directOf, store } from "./store.js";
import { go } from "./place.js";
import { typeFor } from "./composer.js";

function places() {
  const pane = (id, label) => ({ label, about: "window", go: () => go({ pane: id }) });
  return [
    ...store.hello.channels.map((one) => ({ label: `#${one.name}`, about: "channel", go: () => go({ pane: "slack", channel: one.id }) })),
    { label: "gitops", about: "direct message", go: () => go({ pane: "slack", channel: directOf(store.user) }) },
    { label: "gitops Home", about: "app", go: () => go({ pane: "slack", channel: "home" }) },
    pane("oncall", "On-call"),
    pane("cluster", "Cluster"),
    pane("git", "Git"),
    pane("config", "Config"),
    ...store.hello.apps.map((name) => ({
      label: name,
      about: "status of the app",
      go: () => { go({ pane: "slack", channel: "C0DEPLOYS" }); requestAnimationFrame(() => typeFor(`/gitops status ${name}`)); },
    })),
  ];
}

export function openSwitcher() {
  if (!store.hello || document.querySelector("dialog[open]")) return;
  let found = [];
  let at = 0;
  const list = h("ul", { role: "listbox", id: "switcher-list", "aria-label": "Places" });
  const input = h("input", { type: "text", placeholder: "Go to…", "aria-label": "Go to", role: "combobox", "aria-expanded": "true", "aria-controls": "switcher-list", autocomplete: "off" });
  const dialog = h("dialog.switcher", { "aria-label": "Go to" }, input, list);
  const draw = () => {
    const query = input.value.toLowerCase();
    found = places().filter((one) => one.label.toLowerCase().includes(query)).slice(0, 8);
    at = Math.min(at, Math.max(found.length - 1, 0));
    fill(list, found.map((one, index) =>
      h("li", { role: "option", id: `place-${index}`, "aria-selected": String(index === at), onclick: () => pick(one) }, h("strong", {}, one.label), h("span.soft", {}, one.about))));
    input.setAttribute("aria-activedescendant", `place-${at}`);
  };
  const pick = (one) => {
    dialog.close();
    one?.go();
  };
  input.addEventListener("input", () => { at = 0; draw(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      at = (at + (event.key === "ArrowDown" ? 1 : -1) + found.length) % Math.max(found.length, 1);
      draw();
      event.preventDefault();
    } else if (event.key === "Enter") {
      event.preventDefault();
      pick(found[at]);
    }
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  draw();
  input.focus();
}
