// Modals, as native <dialog>: the browser keeps the focus inside and Escape closes.

import { h, icon, toast } from "./dom.js";
import { render } from "./blocks.js";
import { text } from "./mrkdwn.js";
import { on, slack, store } from "./store.js";

/** What a person has filled in, in the shape of `view.state.values`. */
class Form {
  constructor() {
    this.values = {};
    this.raw = new Map();
  }

  get(block, action) {
    return this.raw.get(`${block} ${action}`);
  }

  set(block, action, element, value, option) {
    this.raw.set(`${block} ${action}`, value);
    (this.values[block] ??= {})[action] = stateOf(element, value, option);
  }
}

const OPTION = { text: { type: "plain_text", text: "" }, value: "" };

function stateOf(element, value, option) {
  const find = (wanted) => {
    const all = [...(element.options || []), ...(element.option_groups || []).flatMap((group) => group.options)];
    return all.find((one) => one.value === wanted) || option || { ...OPTION, value: wanted, text: { type: "plain_text", text: wanted } };
  };
  const type = element.type;
  switch (type) {
    case "static_select":
    case "external_select":
    case "radio_buttons":
      return { type, selected_option: value === undefined ? null : find(value) };
    case "multi_static_select":
    case "multi_external_select":
    case "checkboxes":
      return { type, selected_options: value.map(find) };
    case "users_select":
      return { type, selected_user: value };
    case "multi_users_select":
      return { type, selected_users: value };
    case "channels_select":
      return { type, selected_channel: value };
    case "conversations_select":
      return { type, selected_conversation: value };
    case "datepicker":
      return { type, selected_date: value };
    case "timepicker":
      return { type, selected_time: value };
    case "datetimepicker":
      return { type, selected_date_time: value };
    default:
      return { type, value: value === "" ? null : value };
  }
}

/** The values an untouched modal submits: initial ones, and empty ones. */
function begin(form, view) {
  for (const block of view.blocks) {
    if (block.type !== "input" || form.get(block.block_id, block.element.action_id) !== undefined) continue;
    const one = block.element;
    const first = one.initial_value ?? one.initial_option?.value ?? one.initial_options?.map((option) => option.value) ??
      one.initial_user ?? one.initial_channel ?? one.initial_conversation ?? one.initial_date ?? one.initial_time ?? one.initial_date_time;
    if (first !== undefined) form.set(block.block_id, one.action_id, one, first, one.initial_option);
    else (form.values[block.block_id] ??= {})[one.action_id] ??= stateOf(one, /^(multi_|checkboxes)/.test(one.type) ? [] : undefined);
  }
}

let shown = null; // { dialog, view, form, errors, user }

/** Show the modal on top of the present person's stack, and follow its updates. */
export function watchModals() {
  on("views user", () => {
    const top = (store.views[store.user] || []).at(-1);
    if (shown && (!top || shown.user !== store.user || shown.view.id !== top.id)) {
      const old = shown;
      shown = null;
      old.dialog.close();
      old.dialog.remove();
    }
    if (!top) return;
    if (!shown) open(top);
    else if (shown.view.hash !== top.hash) {
      shown.view = top;
      shown.errors = {};
      draw();
    }
  });
}

function open(view) {
  const dialog = h("dialog.modal", { "aria-labelledby": "modal-title" });
  const user = store.user;
  shown = { dialog, view, user, form: new Form(), errors: {} };
  const mine = shown;
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave(mine);
  });
  document.body.append(dialog);
  draw();
  dialog.showModal();
  dialog.querySelector("input, textarea, .select")?.focus();
}

function leave(modal) {
  slack("close", { view: modal.view.id }).catch((error) => toast(error.message, { bad: true }));
}

function draw() {
  const modal = shown;
  const { view, dialog, form } = modal;
  begin(form, view);
  const port = {
    form,
    errors: modal.errors,
    act: (block, action, value) =>
      slack("act", { view: view.id, block_id: block, action_id: action, value, values: form.values })
        .catch((error) => toast(error.message, { bad: true })),
    suggest: async (block, action, query) =>
      (await slack("suggest", { view: view.id, block_id: block, action_id: action, query })).options,
  };
  const hasInputs = view.blocks.some((one) => one.type === "input");
  const scroll = dialog.querySelector(".dialog-body")?.scrollTop;
  dialog.replaceChildren(
    h("form", {
      method: "dialog",
      onsubmit: (event) => {
        event.preventDefault();
        submit(modal);
      },
    },
      h("header", {},
        h("h2", { id: "modal-title" }, text(view.title)),
        h("button.ghost", { type: "button", "aria-label": "Close", onclick: () => leave(modal) }, icon("close"))),
      h("div.dialog-body.blocks", {}, render(view.blocks, port)),
      h("div.dialog-buttons", {},
        h("button.button", { type: "button", onclick: () => leave(modal) }, view.close ? text(view.close) : "Close"),
        (view.submit || hasInputs) && h("button.button.primary", { type: "submit" }, view.submit ? text(view.submit) : "Submit"))));
  if (scroll) dialog.querySelector(".dialog-body").scrollTop = scroll;
}

async function submit(modal) {
  const missing = {};
  for (const block of modal.view.blocks) {
    if (block.type !== "input" || block.optional) continue;
    const state = modal.form.values[block.block_id]?.[block.element.action_id] || {};
    const values = Object.entries(state).filter(([key]) => key !== "type").map(([, value]) => value);
    if (values.every((value) => value === null || value === undefined || (Array.isArray(value) && !value.length))) {
      missing[block.block_id] = "Please complete this required field.";
    }
  }
  modal.errors = missing;
  if (Object.keys(missing).length) return draw();
  try {
    const answer = await slack("submit", { view: modal.view.id, values: modal.form.values });
    modal.errors = answer.errors;
    if (shown === modal && Object.keys(answer.errors).length) draw();
  } catch (error) {
    toast(error.message, { bad: true });
  }
  return undefined;
}
