// Slack's mrkdwn as nodes. Nothing is ever parsed as HTML: https://docs.slack.dev/messaging/formatting-message-text

import { h } from "./dom.js";
import { EMOJI } from "./emoji.js";
import { channel, person, store } from "./store.js";

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };
const plain = (text) => text.replace(/&(amp|lt|gt);/g, (entity) => ENTITIES[entity]);

const INLINE =
  /<([^<>]+)>|`([^`\n]+)`|:([a-z0-9_+'-]+):|(?<![\w*])\*(?=\S)([^*\n]*[^*\s])\*(?!\w)|(?<![\w_])_(?=\S)([^_\n]*[^_\s])_(?!\w)|(?<![\w~])~(?=\S)([^~\n]*[^~\s])~(?!\w)|\b(https?:\/\/[^\s<>|]*[^\s<>|.,;:!?)])/;

/** Nodes of a text with markup. */
export function mrkdwn(text) {
  const nodes = [];
  const parts = text.split("```");
  parts.forEach((part, index) => {
    if (index % 2 && index < parts.length - 1) nodes.push(h("pre.code", { tabindex: 0 }, plain(part.replace(/^\n|\n$/g, ""))));
    else if (part) nodes.push(...lines(index % 2 ? `\`\`\`${part}` : part, index > 0));
  });
  return nodes;
}

/** Nodes of a plain_text object: emoji, and nothing else. */
export function plainText(text) {
  return text.split(/:([a-z0-9_+'-]+):/).flatMap((part, index) => {
    if (index % 2 === 0) return part ? [part] : [];
    return EMOJI[part] ? [emoji(part)] : [`:${part}:`];
  });
}

function lines(text, afterCode) {
  const nodes = [];
  let quote = null;
  const all = (afterCode ? text.replace(/^\n/, "") : text).split("\n");
  all.forEach((line, index) => {
    const quoted = line.match(/^(?:&gt;|>) ?(.*)$/);
    if (quoted) {
      if (!quote) nodes.push((quote = h("blockquote", {})));
      else quote.append(h("br"));
      quote.append(...inline(quoted[1]));
      return;
    }
    const wasQuote = quote;
    quote = null;
    if (index > 0 && !wasQuote) nodes.push(h("br"));
    nodes.push(...inline(line));
  });
  return nodes;
}

function inline(text) {
  const nodes = [];
  let rest = text;
  while (rest) {
    const found = rest.match(INLINE);
    if (!found) break;
    if (found.index) nodes.push(plain(rest.slice(0, found.index)));
    const [whole, angle, code, name, bold, italic, strike, bare] = found;
    if (angle !== undefined) nodes.push(special(angle));
    else if (code !== undefined) nodes.push(h("code", {}, plain(code)));
    else if (name !== undefined) nodes.push(EMOJI[name] ? emoji(name) : whole);
    else if (bold !== undefined) nodes.push(h("strong", {}, inline(bold)));
    else if (italic !== undefined) nodes.push(h("em", {}, inline(italic)));
    else if (strike !== undefined) nodes.push(h("s", {}, inline(strike)));
    else nodes.push(link(plain(bare)));
    rest = rest.slice(found.index + whole.length);
  }
  if (rest) nodes.push(plain(rest));
  return nodes;
}

function special(body) {
  const [target, label] = splitOnce(body, "|");
  if (target.startsWith("@")) return mention(target.slice(1));
  if (target.startsWith("#")) return channelLink(target.slice(1), label);
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!subteam^")) {
    const group = store.hello?.groups.find((one) => one.id === target.slice(9));
    return h("span.mention", {}, `@${group ? group.name : label || target.slice(9)}`);
  }
  if (target.startsWith("!")) return h("span.mention", {}, `@${label || target.slice(1)}`);
  return link(plain(target), label === undefined ? undefined : inline(label));
}

export function link(url, label) {
  // Only what a browser may open: a message must not carry a script.
  if (!/^(https?:|mailto:)/.test(url)) return h("span", {}, label ?? url);
  const here = url.startsWith(location.origin);
  return h("a", here ? { href: url, "data-here": "" } : { href: url, target: "_blank", rel: "noreferrer" }, label ?? url);
}

export function mention(id) {
  if (id === store.hello?.bot) return h("span.mention", {}, "@gitops");
  const who = person(id);
  return h("span.mention", { class: id === store.user ? "me" : "" }, `@${who ? who.real_name : id}`);
}

export function channelLink(id, label) {
  return h("a.mention", { href: `#slack/${id}` }, `#${channel(id)?.name ?? label ?? id}`);
}

/** <!date^seconds^format^link|fallback>, in the reader's own zone. */
function date(target, fallback) {
  const [, seconds, format, href] = target.split("^");
  const at = new Date(Number(seconds) * 1000);
  const day = at.toDateString() === new Date().toDateString();
  const tokens = {
    date_num: at.toLocaleDateString("en-CA"),
    date: at.toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" }),
    date_short: at.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" }),
    date_long: at.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long", year: "numeric" }),
    time: at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false }),
    time_secs: at.toLocaleTimeString([], { hour12: false }),
    ago: `${Math.max(Math.round((Date.now() - at) / 60000), 0)} minutes ago`,
  };
  const text = (format || "").replace(/\{(\w+)\}/g, (whole, name) => {
    const key = name.replace("_pretty", "");
    return name.endsWith("_pretty") && day ? "today" : tokens[key] ?? whole;
  });
  const shown = Number.isNaN(at.getTime()) ? fallback || "" : text || fallback || "";
  const time = h("time", { title: fallback ? plain(fallback) : null }, shown);
  return href ? link(href, [time]) : time;
}

export function emoji(name) {
  return h("span.emoji", { role: "img", "aria-label": name.replaceAll("_", " "), title: `:${name}:` }, EMOJI[name]);
}

function splitOnce(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** A text object's nodes. */
export function text(object) {
  if (!object) return [];
  return object.type === "mrkdwn" ? mrkdwn(object.text) : plainText(object.text);
}
