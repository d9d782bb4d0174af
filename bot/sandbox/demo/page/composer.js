// Where people type: messages, mentions and commands, with hints and completion.

import { fill, h, icon, toast } from "./dom.js";
import { channel, isDirect, on, slack, store } from "./store.js";

const past = [];

/** A composer that writes to the present channel, or to its open thread; `sent` is called with each message. */
export function composer({ thread, sent }) {
  const id = thread ? "reply" : "write";
  const input = h("textarea", {
    rows: 1,
    id,
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": `${id}-hints`,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  const hints = h("ul.hints", { role: "listbox", id: `${id}-hints`, "aria-label": "Completions", hidden: true });
  const usage = h("div.usage", { "aria-live": "polite" });
  const send = h("button.send", { type: "submit", "aria-label": "Send", disabled: true }, icon("send"));
  const form = h("form.composer", {}, hints, h("div.composer-box", {}, input, send), usage);
  let found = [];
  let at = -1;
  let recall = -1;
  let moved = false;

  const draw = () => {
    const text = input.value;
    found = completions(text, thread);
    at = found.length ? 0 : -1;
    moved = false;
    hints.hidden = !found.length;
    input.setAttribute("aria-expanded", String(Boolean(found.length)));
    fill(hints, found.map((one, index) =>
      h("li", {
        role: "option",
        id: `${id}-hint-${index}`,
        "aria-selected": String(index === at),
        onmousedown: (event) => event.preventDefault(),
        onclick: () => take(one),
      }, h("strong", {}, one.label), h("span.soft", {}, one.about))));
    mark();
    usage.textContent = usageOf(text);
    send.disabled = !text.trim();
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, 160)}px`;
    input.style.overflowY = input.scrollHeight > 160 ? "auto" : "hidden"; // lines have fractions of pixels
  };
  const mark = () => {
    [...hints.children].forEach((item, index) => {
      item.setAttribute("aria-selected", String(index === at));
      if (index === at) item.scrollIntoView({ block: "nearest" });
    });
    if (at >= 0) input.setAttribute("aria-activedescendant", `${id}-hint-${at}`);
    else input.removeAttribute("aria-activedescendant");
  };
  const take = (one) => {
    input.value = one.text;
    input.focus();
    draw();
  };
  const say = async () => {
    const text = input.value.trim();
    if (!text) return;
    past.unshift(text);
    recall = -1;
    input.value = "";
    draw();
    sent();
    try {
      await slack("say", { channel: store.place.channel, thread: thread ? store.place.thread : "", text });
    } catch (error) {
      input.value = text;
      draw();
      toast(error.message, { bad: true });
    }
  };
  input.addEventListener("input", draw);
  input.addEventListener("blur", () => { hints.hidden = true; });
  input.addEventListener("focus", draw);
  input.addEventListener("keydown", (event) => {
    const open = found.length > 0 && !hints.hidden;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      // Enter completes a word that was begun or a choice that was made; otherwise it sends.
      if (open && at >= 0 && (moved || found[at].partial)) take(found[at]);
      else say();
    } else if (open && event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      take(found[Math.max(at, 0)]);
    } else if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : -1) + found.length) % found.length;
      moved = true;
      mark();
    } else if (event.key === "ArrowUp" && !input.value.includes("\n") && past.length) {
      event.preventDefault();
      recall = Math.min(recall + 1, past.length - 1);
      input.value = past[recall];
      draw();
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      found = [];
      hints.hidden = true;
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say();
  });
  on("place hello", () => {
    const { channel: here } = store.place;
    const name = isDirect(here) ? "gitops" : `#${channel(here)?.name ?? ""}`;
    input.placeholder = thread ? "Reply, or @gitops status" : `Message ${name}, or /gitops`;
    input.setAttribute("aria-label", thread ? "Reply in thread" : `Message ${name}`);
  });
  return form;
}

/** Put a text into the main composer, as if typed. */
export function typeFor(text) {
  const input = document.getElementById("write");
  input.value = text;
  input.focus();
  input.dispatchEvent(new Event("input"));
}

/** What may come next: commands, verbs, app names, commits. */
function completions(text, thread) {
  if (text.startsWith("/") && !text.includes(" ") && !thread) {
    return "/gitops".startsWith(text) ? [{ label: "/gitops", about: "Orders for the bot", text: "/gitops ", partial: true }] : [];
  }
  if (text.startsWith("@") && !text.includes(" ")) {
    return "@gitops".startsWith(text) ? [{ label: "@gitops", about: "Mention the bot; works in threads too", text: "@gitops ", partial: true }] : [];
  }
  const words = text.match(/^(\/gitops|@gitops) (\S*)(?: (\S*))?(?: (\S*))?$/);
  if (!words || !store.hello) return [];
  const [, head, verb, app, commit] = words;
  if (app === undefined) {
    return store.hello.verbs
      .filter((one) => one.verb.startsWith(verb))
      .map((one) => ({ label: one.verb, about: one.usage.replace(/^\/gitops \S+ ?/, ""), text: `${head} ${one.verb}${one.app ? " " : ""}`, partial: verb !== "" && one.verb !== verb }));
  }
  const known = store.hello.verbs.find((one) => one.verb === verb);
  if (!known?.app) return [];
  if (commit === undefined) {
    return store.hello.apps
      .filter((name) => name.startsWith(app))
      .map((name) => ({ label: name, about: name.includes("-staging") ? "staging" : "production", text: `${head} ${verb} ${name}${known.commit ? " " : ""}`, partial: app !== "" && name !== app }));
  }
  if (!known.commit) return [];
  return (store.commits || [])
    .filter((one) => one.id.startsWith(commit) && !one.dropped)
    .slice(0, 8)
    .map((one) => ({ label: one.id.slice(0, 7), about: one.subject, text: `${head} ${verb} ${app} ${one.id.slice(0, 7)}`, partial: commit !== "" && one.id.slice(0, 7) !== commit }));
}

function usageOf(text) {
  const words = text.match(/^(?:\/gitops|@gitops) (\S+) /);
  return words ? store.hello?.verbs.find((one) => one.verb === words[1])?.usage ?? "" : "";
}
