// Block Kit's interactive elements: buttons, menus, pickers, inputs.

import { h, icon } from "./dom.js";
import { confirm } from "./confirm.js";
import { text } from "./mrkdwn.js";
import { store } from "./store.js";

let numbers = 0;

/** An element of an actions or section block: what is pressed or chosen is sent at once. */
export function element(one, block, port) {
  const send = async (value) => {
    if (one.confirm && !(await confirm(one.confirm))) return;
    port.act(block, one.action_id, value);
  };
  switch (one.type) {
    case "button":
    case "workflow_button":
      return button(one, send);
    case "overflow":
      return overflow(one, send);
    default:
      return field(one, (value) => send(value), port, block);
  }
}

function button(one, send) {
  const label = one.accessibility_label && one.accessibility_label !== one.text.text ? one.accessibility_label : null;
  const attributes = { class: one.style || "", "aria-label": label, dataset: { action: one.action_id || "" } };
  if (one.url) {
    return h("a.button", { ...attributes, href: one.url, target: "_blank", rel: "noreferrer" }, text(one.text));
  }
  return h("button.button", {
    ...attributes,
    type: "button",
    onclick: async (event) => {
      // Pressed once is enough while the app has not answered: Slack shows the same.
      const pressed = event.currentTarget;
      pressed.classList.add("pressed");
      setTimeout(() => pressed.classList.remove("pressed"), 1200);
      await send(one.value);
    },
  }, text(one.text));
}

function overflow(one, send) {
  const open = (event) =>
    openMenu(event.currentTarget, { options: one.options, searchable: false, choose: (option) => send(option.value) });
  return h("button.button.overflow", { type: "button", "aria-label": "More actions", "aria-haspopup": "listbox", onclick: open }, icon("dots"));
}

/** An input block: label, element, hint, and what is wrong with it. */
export function inputField(one, id, port) {
  const name = `field-${++numbers}`;
  const error = port.errors?.[id];
  const keep = (value, option) => {
    port.form.set(id, one.element.action_id, one.element, value, option);
    if (one.dispatch_action) port.act(id, one.element.action_id, value);
  };
  const made = field(one.element, keep, port, id);
  const target = made.matches("input, textarea, button") ? made : made.querySelector("input, textarea, button") || made;
  target.id ||= name;
  if (error) target.setAttribute("aria-invalid", "true");
  target.setAttribute("aria-describedby", `${name}-hint`);
  const group = made.getAttribute("role") === "group" || made.getAttribute("role") === "radiogroup";
  if (group) made.setAttribute("aria-labelledby", `${name}-label`);
  return h("div.b-input", {},
    h("label", { for: group ? null : target.id, id: `${name}-label` }, text(one.label), one.optional && h("span.optional", {}, " (optional)")),
    made,
    h("div.hint", { id: `${name}-hint`, class: error ? "bad" : "" }, error || (one.hint ? text(one.hint) : "")));
}

function field(one, keep, port, block) {
  const filled = port.form?.get(block, one.action_id);
  switch (one.type) {
    case "plain_text_input":
    case "number_input":
    case "email_text_input":
    case "url_text_input":
      return textInput(one, keep, filled);
    case "datepicker":
      return native("date", filled ?? one.initial_date, keep, one);
    case "timepicker":
      return native("time", filled ?? one.initial_time, keep, one);
    case "datetimepicker":
      return native("datetime-local", filled ?? local(one.initial_date_time), (value) => keep(Date.parse(value) / 1000), one);
    case "radio_buttons":
    case "checkboxes":
      return choices(one, keep, filled);
    default:
      return select(one, keep, port, block, filled);
  }
}

const KINDS = { number_input: "number", email_text_input: "email", url_text_input: "url" };

function textInput(one, keep, filled) {
  const attributes = {
    value: filled ?? one.initial_value ?? "",
    placeholder: one.placeholder?.text,
    maxlength: one.max_length,
    minlength: one.min_length,
    oninput: (event) => keep(event.target.value),
    autofocus: one.focus_on_load,
  };
  if (one.multiline) return h("textarea", { ...attributes, rows: 3 });
  return h("input", { ...attributes, type: KINDS[one.type] || "text" });
}

function native(type, value, keep, one) {
  return h("input", { type, value: value ?? "", "aria-label": one.placeholder?.text, onchange: (event) => event.target.value && keep(event.target.value) });
}

function local(seconds) {
  if (!seconds) return undefined;
  const at = new Date(seconds * 1000 - new Date().getTimezoneOffset() * 60000);
  return at.toISOString().slice(0, 16);
}

function choices(one, keep, filled) {
  const many = one.type === "checkboxes";
  const first = many ? (one.initial_options || []).map((option) => option.value) : one.initial_option?.value;
  let chosen = filled ?? first ?? (many ? [] : undefined);
  const name = `choice-${++numbers}`;
  return h("div.choices", { role: many ? "group" : "radiogroup" }, one.options.map((option) =>
    h("label.choice", {},
      h("input", {
        type: many ? "checkbox" : "radio",
        name,
        checked: many ? chosen.includes(option.value) : chosen === option.value,
        onchange: (event) => {
          if (!many) chosen = option.value;
          else chosen = event.target.checked ? [...chosen, option.value] : chosen.filter((value) => value !== option.value);
          keep(chosen);
        },
      }),
      h("span", {}, text(option.text), option.description && h("span.soft", {}, " ", text(option.description))))));
}

/** Menus of all kinds: static and external options, people, channels; one or many. */
function select(one, keep, port, block, filled) {
  const many = one.type.startsWith("multi_");
  const kind = one.type.replace("multi_", "");
  const initial = initialOptions(one, kind);
  let chosen = (filled !== undefined ? [filled].flat() : initial.map((option) => option.value)).filter(Boolean);
  const known = new Map([...initial, ...flat(one), ...builtIn(kind)].map((option) => [option.value, option]));
  const label = h("span.select-label");
  const show = () => {
    const texts = chosen.map((value) => known.get(value)?.text.text ?? value);
    label.textContent = texts.join(", ") || one.placeholder?.text || "Choose";
    label.classList.toggle("unset", !texts.length);
  };
  const trigger = h("button.button.select", {
    type: "button",
    "aria-haspopup": "listbox",
    "aria-expanded": "false",
    dataset: { action: one.action_id || "" },
    onclick: () => openMenu(trigger, {
      options: kind === "static_select" ? one.options : builtIn(kind),
      groups: one.option_groups,
      searchable: true,
      least: one.min_query_length ?? 3,
      suggest: kind === "external_select" ? (query) => port.suggest(block, one.action_id, query) : null,
      chosen: () => chosen,
      many,
      choose: (option) => {
        known.set(option.value, option);
        if (!many) chosen = [option.value];
        else chosen = chosen.includes(option.value) ? chosen.filter((value) => value !== option.value) : [...chosen, option.value];
        show();
        keep(many ? chosen : option.value, option);
      },
    }),
  }, label, icon("down"));
  show();
  return trigger;
}

const flat = (one) => [...(one.options || []), ...(one.option_groups || []).flatMap((group) => group.options)];

function initialOptions(one, kind) {
  if (one.initial_option) return [one.initial_option];
  if (one.initial_options) return one.initial_options;
  const ids = [one.initial_user, one.initial_channel, one.initial_conversation, one.initial_users, one.initial_channels, one.initial_conversations];
  const wanted = ids.flat().filter(Boolean);
  return builtIn(kind).filter((option) => wanted.includes(option.value));
}

/** Options that Slack itself knows: people and channels. */
function builtIn(kind) {
  const option = (value, name) => ({ value, text: { type: "plain_text", text: name } });
  if (kind === "users_select") return store.hello.users.map((user) => option(user.id, user.real_name));
  if (kind === "channels_select" || kind === "conversations_select") {
    return store.hello.channels.map((one) => option(one.id, `#${one.name}`));
  }
  return [];
}

let closeOpen = null;

/** A list of options over the page, with a search field; arrows, Enter and Escape work. */
function openMenu(trigger, menu) {
  closeOpen?.();
  const list = h("ul", { role: "listbox", id: `menu-${++numbers}`, "aria-multiselectable": menu.many ? "true" : null });
  const search = menu.searchable && h("input.menu-search", { type: "text", placeholder: "Search", "aria-label": "Search the options", role: "combobox", "aria-expanded": "true", "aria-controls": list.id, autocomplete: "off" });
  const popup = h("div.menu", {}, search, list);
  let shown = [];
  let at = 0;

  const mark = () => {
    [...list.querySelectorAll("[role=option]")].forEach((item, index) => {
      item.classList.toggle("at", index === at);
      if (index === at) {
        item.scrollIntoView({ block: "nearest" });
        (search || list).setAttribute("aria-activedescendant", item.id);
      }
    });
  };
  const pick = (option) => {
    if (!option) return;
    menu.choose(option);
    if (menu.many) draw(groups());
    else close();
  };
  const item = (option) => {
    const index = shown.push(option) - 1;
    const isChosen = menu.chosen?.().includes(option.value);
    return h("li", {
      role: "option",
      id: `${list.id}-${index}`,
      "aria-selected": String(Boolean(isChosen)),
      onmousedown: (event) => event.preventDefault(),
      onclick: () => pick(option),
      onmousemove: () => { if (at !== index) { at = index; mark(); } },
    }, h("span", {}, text(option.text), option.description && h("span.soft", {}, " ", text(option.description))), isChosen && icon("check"));
  };
  const groups = (found) => {
    const query = (search?.value || "").toLowerCase();
    const fits = (option) => menu.suggest || option.text.text.toLowerCase().includes(query);
    const all = found ?? (menu.groups ? menu.groups : [{ options: menu.options || [] }]);
    return all.map((group) => ({ label: group.label, options: (group.options || []).filter(fits) }));
  };
  const draw = (all) => {
    shown = [];
    list.replaceChildren();
    for (const group of all) {
      if (group.label && group.options.length) list.append(h("li.menu-group", { role: "presentation" }, text(group.label)));
      for (const option of group.options) list.append(item(option));
    }
    if (!shown.length) list.append(h("li.menu-none", { role: "presentation" }, "Nothing found"));
    at = Math.min(at, Math.max(shown.length - 1, 0));
    mark();
  };
  let asked = 0;
  const refresh = async () => {
    at = 0;
    if (!menu.suggest) return draw(groups());
    const query = search.value;
    if (query.length < menu.least) {
      shown = [];
      list.replaceChildren(h("li.menu-none", { role: "presentation" }, `Type ${menu.least} or more characters`));
      return undefined;
    }
    const mine = ++asked;
    const found = await menu.suggest(query);
    if (mine !== asked) return undefined;
    return draw(groups(found.length && found[0].options ? found : [{ options: found }]));
  };
  const keys = (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      at = (at + (event.key === "ArrowDown" ? 1 : -1) + shown.length) % Math.max(shown.length, 1);
      mark();
    } else if (event.key === "Enter") pick(shown[at]);
    else if (event.key === "Escape") close();
    else if (event.key === "Tab") return close();
    else return undefined;
    event.preventDefault();
    event.stopPropagation();
    return undefined;
  };
  const outside = (event) => { if (!popup.contains(event.target) && event.target !== trigger) close(); };
  const close = () => {
    popup.remove();
    document.removeEventListener("pointerdown", outside, true);
    trigger.setAttribute("aria-expanded", "false");
    closeOpen = null;
    trigger.focus();
  };
  closeOpen = close;
  popup.addEventListener("keydown", keys);
  search && search.addEventListener("input", refresh);
  document.addEventListener("pointerdown", outside, true);
  trigger.setAttribute("aria-expanded", "true");
  // Inside a modal dialog only what is in it can be reached.
  (trigger.closest("dialog") || document.body).append(popup);
  place(popup, trigger);
  refresh();
  if (search) search.focus();
  else { list.tabIndex = 0; list.focus(); }
}

function place(popup, trigger) {
  const box = trigger.getBoundingClientRect();
  const width = Math.min(Math.max(box.width, 260), innerWidth - 16);
  const below = innerHeight - box.bottom;
  popup.style.width = `${width}px`;
  popup.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  popup.style.maxHeight = `${Math.max(180, Math.min(320, Math.max(below, box.top) - 16))}px`;
  if (below > 220 || below > box.top) popup.style.top = `${box.bottom + 4}px`;
  else popup.style.bottom = `${innerHeight - box.top + 4}px`;
}
