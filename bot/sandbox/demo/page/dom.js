// Elements without a framework: h("button.primary", {onclick, "aria-label": …}, child, …).

/** Make an element. Text children are text, never markup; null and false children are left out. */
export function h(tag, attributes, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) {
      element.addEventListener(key.slice(2), value);
      element.listens = true;
    }
    else if (key === "class") element.className = `${element.className} ${value}`.trim();
    else if (key === "value") element.value = value;
    else if (key === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
  return element;
}

/** Make an element's children be these. What is equal already stays: its focus, its scroll, and a click under way. */
export function fill(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const wanted = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  merge(element, wanted.map((child) => (child instanceof Node ? child : document.createTextNode(child))));
  if (focused && !element.contains(document.activeElement)) {
    element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }
  return element;
}

function merge(parent, wanted) {
  let old = parent.firstChild;
  for (const node of wanted) {
    if (!old) {
      parent.append(node);
      continue;
    }
    const next = old.nextSibling;
    if (old !== node && !old.isEqualNode(node)) {
      // A listener knows what was there when it was made: such an element is never made into another one.
      if (old.nodeType === 1 && old.nodeName === node.nodeName && !old.listens && !node.listens) {
        dress(old, node);
        merge(old, [...node.childNodes]);
      } else old.replaceWith(node);
    }
    old = next;
  }
  while (old) {
    const next = old.nextSibling;
    old.remove();
    old = next;
  }
}

function dress(old, node) {
  for (const { name } of [...old.attributes]) {
    if (!node.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of node.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

const SHAPES = {
  slack: "M8 10h8M8 14h5M5 4h14a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2h-8l-5 3v-3H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2z",
  oncall: "M12 3v2M6 11a6 6 0 0 1 12 0v4l2 3H4l2-3zM10 21h4",
  cluster: "M12 2l8 4.5v9L12 20l-8-4.5v-9zM12 11l8-4.5M12 11v9M12 11L4 6.5",
  git: "M6 3v12M6 21a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM18 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM18 9a9 9 0 0 1-9 9",
  config: "M4 6h16M4 12h16M4 18h16M9 4v4M15 10v4M7 16v4",
  send: "M4 12l16-8-6 16-3-7z",
  close: "M5 5l14 14M19 5L5 19",
  back: "M15 5l-7 7 7 7",
  thread: "M4 5h16v11H9l-5 4z",
  check: "M5 12l5 5L20 7",
  down: "M6 9l6 6 6-6",
  dots: "M5 12h.01M12 12h.01M19 12h.01",
  file: "M6 2h8l5 5v15H6zM14 2v5h5",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  hash: "M9 3L7 21M17 3l-2 18M4 8h17M3 16h17",
  home: "M4 11l8-7 8 7v9h-5v-6H9v6H4z",
  hand: "M7 11V6a1.5 1.5 0 0 1 3 0v4V4a1.5 1.5 0 0 1 3 0v6-4a1.5 1.5 0 0 1 3 0v5-2a1.5 1.5 0 0 1 3 0v6a6 6 0 0 1-6 6h-2a6 6 0 0 1-5-3l-3-5a1.5 1.5 0 0 1 2.5-1.5z",
};

/** An outline icon; decorative, the text beside it or its button's label says what it is. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/** A time as people say it: "14:03" today, "Tue 14:03" this week, "3 Nov" before. */
export function clock(date) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

export function ago(date) {
  const minutes = Math.round((Date.now() - date) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 36 * 60) return `${Math.round(minutes / 60)} h ago`;
  return `${Math.round(minutes / 1440)} days ago`;
}

let toastBox;
/** Say something for a moment, on top; what was said before it goes. */
export function toast(text, { bad = false } = {}) {
  toastBox ??= document.getElementById("toasts");
  const shown = h("div.toast", { class: bad ? "bad" : "" }, text);
  toastBox.replaceChildren(shown);
  setTimeout(() => shown.remove(), 6000);
}
