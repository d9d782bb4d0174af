// Block Kit as elements: https://docs.slack.dev/reference/block-kit. What is pressed or chosen goes to `port.act`.
//
// A port says where the blocks stand (a message, a modal, the Home tab): `act(block_id, action_id, value)`,
// `suggest(block_id, action_id, query)` and, for inputs, `form` (values so far) and `errors` by block id.

import { h, icon } from "./dom.js";
import { channelLink, emoji, link, mention, mrkdwn, text } from "./mrkdwn.js";
import { EMOJI } from "./emoji.js";
import { element, inputField } from "./elements.js";

/** Elements of all blocks, in order. */
export function render(blocks, port) {
  return blocks.map((one, index) => block(one, one.block_id || `block-${index}`, port));
}

function block(one, id, port) {
  switch (one.type) {
    case "header":
      return h("h3.b-header", {}, text(one.text));
    case "section":
      return section(one, id, port);
    case "context":
      return h("div.b-context", {}, one.elements.map((part) =>
        part.type === "image" ? h("img", { src: part.image_url, alt: part.alt_text }) : h("span", {}, text(part))));
    case "divider":
      return h("hr.b-divider");
    case "actions":
      return h("div.b-actions", {}, one.elements.map((part) => element(part, id, port)));
    case "input":
      return inputField(one, id, port);
    case "image":
      return h("figure.b-image", {}, one.title && h("figcaption", {}, text(one.title)),
        h("img", { src: one.image_url, alt: one.alt_text, loading: "lazy" }));
    case "rich_text":
      return h("div.b-rich", {}, one.elements.map(richPart));
    case "markdown":
      return h("div.b-section", {}, mrkdwn(fromMarkdown(one.text)));
    case "table":
      return h("div.b-table", { tabindex: 0 }, h("table", {}, one.rows.map((row, index) =>
        h("tr", {}, row.map((cell) => h(index ? "td" : "th", {}, cell.type === "rich_text" ? cell.elements.map(richPart) : cell.text))))));
    case "file":
      return h("div.b-context", {}, icon("file"), one.external_id);
    default:
      return h("div.b-unknown", {}, `This client does not know the block “${one.type}”.`);
  }
}

function section(one, id, port) {
  return h("div.b-section", {},
    h("div.b-section-body", {},
      one.text && h("div.b-text", {}, text(one.text)),
      one.fields && h("div.b-fields", {}, one.fields.map((field) => h("div", {}, text(field))))),
    one.accessory && h("div.b-accessory", {},
      one.accessory.type === "image"
        ? h("img.b-thumb", { src: one.accessory.image_url, alt: one.accessory.alt_text })
        : element(one.accessory, id, port)));
}

function richPart(part) {
  switch (part.type) {
    case "rich_text_preformatted":
      return h("pre.code", { tabindex: 0 }, part.elements.map((one) => one.text ?? one.url));
    case "rich_text_quote":
      return h("blockquote", {}, part.elements.map(richInline));
    case "rich_text_list":
      return h(part.style === "ordered" ? "ol" : "ul", { class: `indent-${part.indent || 0}` },
        part.elements.map((item) => h("li", {}, item.elements.map(richInline))));
    default:
      return h("p", {}, (part.elements || []).map(richInline));
  }
}

function richInline(one) {
  switch (one.type) {
    case "text": {
      const style = one.style || {};
      let node = style.code ? h("code", {}, one.text) : document.createTextNode(one.text);
      if (style.bold) node = h("strong", {}, node);
      if (style.italic) node = h("em", {}, node);
      if (style.strike) node = h("s", {}, node);
      return node;
    }
    case "link":
      return link(one.url, one.text);
    case "emoji":
      return EMOJI[one.name] ? emoji(one.name) : `:${one.name}:`;
    case "user":
      return mention(one.user_id);
    case "channel":
      return channelLink(one.channel_id);
    case "usergroup":
      return h("span.mention", {}, `@${one.usergroup_id}`);
    case "broadcast":
      return h("span.mention", {}, `@${one.range}`);
    case "date":
      return h("time", {}, one.fallback || new Date(one.timestamp * 1000).toLocaleString());
    default:
      return "";
  }
}

/** Standard markdown in mrkdwn's words: bold, links, headings. */
function fromMarkdown(markdown) {
  return markdown
    .replace(/\*\*(.+?)\*\*/g, "*$1*")
    .replace(/^#+ (.+)$/gm, "*$1*")
    .replace(/\[([^\]]+)\]\(([^)]+)\)/g, "<$2|$1>");
}
