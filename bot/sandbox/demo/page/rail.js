// The tour and the mischief, side by side with everything else.

import { fill, h, icon, toast } from "./dom.js";
import { become, changed, on, post, store } from "./store.js";
import { go } from "./place.js";
import { typeFor } from "./composer.js";

const wide = matchMedia("(min-width: 1180px)");
let opened = null; // the step a person looks at; null: the first that is not done

/** Build the rail and its toggle. */
export function buildRail(rail, toggle) {
  const show = (open) => {
    document.body.classList.toggle("rail-open", open);
    toggle.setAttribute("aria-expanded", String(open));
    rail.inert = !open;
  };
  // Beside the windows where there is room; over them, where there is none, only when asked for.
  const settle = () => show(wide.matches && localStorage.getItem("rail") !== "closed");
  settle();
  wide.addEventListener("change", settle);
  toggle.addEventListener("click", () => {
    const open = !document.body.classList.contains("rail-open");
    if (wide.matches) localStorage.setItem("rail", open ? "open" : "closed");
    show(open);
    if (open) rail.querySelector("button")?.focus();
  });
  rail.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !wide.matches) {
      show(false);
      toggle.focus();
    }
  });
  const close = () => { if (!wide.matches) show(false); };
  on("hello world", () => {
    if (!store.hello) return;
    const groups = [...new Set(store.hello.mischief.map((one) => one.group))];
    fill(rail,
      h("div.rail-head", {}, h("h2", {}, "Play"), h("button.ghost", { type: "button", "aria-label": "Close", onclick: () => { if (wide.matches) localStorage.setItem("rail", "closed"); show(false); toggle.focus(); } }, icon("close"))),
      tour(close),
      groups.map((name) => h("section.mischief", {}, h("h3", {}, name), store.hello.mischief.filter((one) => one.group === name).map(deed))));
  });
}

function tour(close) {
  const { tour: steps } = store.hello;
  const done = store.world.done;
  const next = steps.find((step) => !done.includes(step.id));
  const current = opened ?? next?.id;
  return h("section.tour", { "aria-label": "Guided tour" },
    h("h3", {}, "Tour", h("span.soft", {}, ` ${done.length} of ${steps.length}`)),
    h("progress", { max: steps.length, value: done.length, "aria-label": "Steps done" }),
    h("ol", {}, steps.map((step, index) => {
      const isDone = done.includes(step.id);
      return h("li", { class: `${isDone ? "done" : ""} ${step.id === current ? "current" : ""}` },
        h("button.step", {
          type: "button",
          "aria-expanded": String(step.id === current),
          dataset: { key: `step ${step.id}` },
          onclick: () => { opened = opened === step.id ? "" : step.id; changed("world"); },
        }, h("span.step-mark", {}, isDone ? icon("check") : index + 1), step.title, isDone && h("span.sr", {}, " (done)")),
        step.id === current && h("div.step-body", {},
          h("p", {}, step.text.split(/`([^`]+)`/).map((part, place) => (place % 2 ? h("code", {}, part) : part))),
          h("button.button.small", { type: "button", dataset: { key: `go ${step.id}` }, onclick: () => { opened = null; follow(step.action); close(); } }, step.label)));
    })),
    !next && h("p.soft", {}, "That was the tour. Everything stays as it is: go on breaking things."));
}

function follow(action) {
  const [verb, ...rest] = action.split(":");
  const what = rest.join(":");
  if (verb === "channel") go({ pane: "slack", channel: what, thread: "" });
  else if (verb === "pane") go({ pane: what });
  else if (verb === "as") { become(rest[0]); go({ pane: "slack", channel: rest[1], thread: "" }); }
  else if (verb === "type") { go({ pane: "slack", channel: store.place.channel || "C0DEPLOYS" }); requestAnimationFrame(() => typeFor(what)); }
  else if (verb === "do") {
    const one = store.hello.mischief.find((deedOne) => deedOne.id === what);
    if (one) mischief(one, false);
    go({ pane: "slack", channel: "C0DEPLOYS", thread: "" });
  } else if (verb === "undo") {
    const one = store.hello.mischief.find((deedOne) => deedOne.id === what);
    if (one) mischief(one, true);
    go({ pane: "slack", channel: "C0DEPLOYS", thread: "" });
  }
}

function deed(one) {
  const isOn = store.world.on.includes(one.id);
  return h("div.deed", { class: isOn ? "on" : "" },
    h("button.button.deed-do", { type: "button", title: one.text, dataset: { key: `deed ${one.id}`, mischief: one.id }, disabled: isOn && one.group === "Outages", onclick: () => mischief(one, false) }, one.title),
    h("p.soft", {}, one.text),
    isOn && one.undo && h("button.button.small.primary", { type: "button", dataset: { key: `undo ${one.id}`, undo: one.id }, onclick: () => mischief(one, true) }, one.undo));
}

async function mischief(one, undo) {
  try {
    toast((await post("/api/mischief", { id: one.id, undo })).message);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}
