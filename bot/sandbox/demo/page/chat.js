// The workspace: sidebar, messages, thread, Home tab.

import { clock, fill, h, icon, toast } from "./dom.js";
import { render } from "./blocks.js";
import { mrkdwn } from "./mrkdwn.js";
import { composer } from "./composer.js";
import { become, changed, channel, directOf, isDirect, markRead, messagesOf, on, person, slack, store, unread } from "./store.js";
import { go } from "./place.js";

const HUES = { U0ANA: "violet", U0BOB: "teal", U0CHLOE: "rose", U0DEV: "amber", U0EVE: "sky" };
const SLACKBOT = "USLACKBOT";

export function avatar(id, size = "") {
  if (id === store.hello?.bot) return h("img.avatar", { class: size, src: "/page/icon.svg", alt: "" });
  const name = nameOf(id);
  const initials = name.split(" ").map((word) => word[0]).slice(0, 2).join("");
  return h("span.avatar", { class: `${size} ${HUES[id] || "grey"}`, "aria-hidden": "true" }, initials);
}

export function nameOf(id) {
  if (id === store.hello?.bot) return "gitops";
  return id === SLACKBOT ? "Slackbot" : person(id)?.real_name ?? id;
}

/** The whole pane; built once, it keeps itself up to date. */
export function chatPane() {
  const side = h("nav.side", { "aria-label": "Channels" });
  const middle = h("section.channel", { "aria-label": "Messages" });
  const thread = h("section.thread", { "aria-label": "Thread", hidden: true });
  const pane = h("div.slack", {}, side, middle, thread);
  const list = new MessageList({ thread: false });
  const replies = new MessageList({ thread: true });
  const head = h("header.channel-head");
  const banner = h("div.banner", { role: "status", hidden: true }, "Slack is down for the bot: it can neither hear nor answer. What it has to say waits.");
  const home = h("div.home");
  const write = composer({ thread: false, sent: () => list.toEnd() });
  const reply = composer({ thread: true, sent: () => replies.toEnd() });
  middle.append(head, banner, list.frame, home, write);

  const drawSide = () => fill(side, sidebar());
  const drawMiddle = () => {
    const { channel: id, thread: root } = store.place;
    pane.dataset.show = root ? "thread" : id ? "channel" : "side";
    if (!id) return;
    const atHome = id === "home";
    fill(head, channelHead(id));
    list.frame.hidden = atHome;
    write.hidden = atHome;
    home.hidden = !atHome;
    if (atHome) {
      list.reset();
      fill(home, homeTab());
    } else list.show(id, "");
    thread.hidden = !root;
    if (root) {
      if (thread.dataset.root !== root) {
        thread.dataset.root = root;
        thread.replaceChildren(
          h("header.channel-head", {},
            h("h2", {}, "Thread", h("span.soft", {}, ` #${channel(id)?.name ?? "gitops"}`)),
            h("button.ghost", { type: "button", "aria-label": "Close the thread", onclick: () => go({ thread: "" }) }, icon("close"))),
          replies.frame, reply);
        replies.reset();
      }
      replies.show(id, root);
    }
    if (!document.hidden && store.place.pane === "slack" && id && !atHome && markRead(id)) drawSide();
    banner.hidden = !store.world.on.includes("slack-down");
  };
  on("hello messages user place world", () => {
    if (!store.hello) return;
    if (store.place.pane !== "slack") return list.reset();
    drawSide();
    drawMiddle();
  });
  on("homes", () => store.hello && store.place.channel === "home" && drawMiddle());
  on("place user", () => {
    if (store.hello && store.place.pane === "slack" && store.place.channel === "home") {
      slack("home", {}).catch((error) => toast(error.message, { bad: true }));
    }
  });
  document.addEventListener("visibilitychange", () => changed("place"));
  return pane;
}

function sidebar() {
  const { channel: here } = store.place;
  const direct = directOf(store.user);
  const row = (id, label, mark) => {
    const count = id === "home" ? 0 : unread(id);
    return h("li", {}, h("a.side-row", {
      href: `#slack/${id}`,
      class: `${here === id ? "here" : ""} ${count ? "unread" : ""}`,
      "aria-current": here === id ? "page" : null,
      dataset: { key: `side ${id}` },
    }, mark, h("span.side-name", {}, label), count > 0 && h("span.badge", { "aria-label": `${count} unread` }, count > 99 ? "99+" : count)));
  };
  return [
    h("div.side-head", {}, h("h1", {}, "Shop"), h("span.soft", {}, "shop.example")),
    h("div.side-scroll", {},
      h("h2", {}, "Channels"),
      h("ul", {}, store.hello.channels.map((one) => row(one.id, one.name, icon("hash")))),
      h("h2", {}, "Apps"),
      h("ul", {}, row(direct, "gitops", h("img.avatar.tiny", { src: "/page/icon.svg", alt: "" })), row("home", "gitops Home", icon("home")))),
    h("div.side-me", {},
      avatar(store.user, "small"),
      h("label", {}, h("span.soft", {}, "You act as"),
        h("select", { id: "act-as", dataset: { key: "act-as" }, onchange: (event) => become(event.target.value) },
          store.hello.users.map((user) => h("option", { value: user.id, selected: user.id === store.user }, user.real_name)))),
      h("p.side-role", {}, person(store.user)?.role)),
  ];
}

function channelHead(id) {
  const title = id === "home" ? "gitops Home" : isDirect(id) ? "gitops" : channel(id)?.name ?? id;
  const about = {
    C0DEPLOYS: "Production. The bot says here what it does.",
    C0STAGING: "Staging. Break things here.",
    C0PAYMENTS: "The payments team and its app.",
    C0GENERAL: "People only: the bot was not invited.",
    home: "What the bot shows you alone.",
  }[id] ?? "A conversation with the bot; only you see it.";
  return [
    h("button.ghost.back", { type: "button", "aria-label": "Back to the channels", onclick: () => go({ channel: "", thread: "" }) }, icon("back")),
    h("h2", {}, id !== "home" && !isDirect(id) && icon("hash"), title),
    h("span.soft.channel-about", {}, about),
  ];
}

function homeTab() {
  const view = store.homes[store.user];
  if (!view) return h("div.empty", {}, h("p", {}, "The bot is about to draw this page for you."));
  const act = (block, action, value) =>
    slack("act", { view: view.id, block_id: block, action_id: action, value }).catch((error) => toast(error.message, { bad: true }));
  const suggest = async (block, action, query) =>
    (await slack("suggest", { view: view.id, block_id: block, action_id: action, query })).options;
  const values = {};
  const form = { values, get: () => undefined, set: () => undefined };
  return h("div.blocks", {}, render(view.blocks, { act, suggest, form }));
}

const GROUP_SECONDS = 300;

/** Plain messages of one person in a row stand under one name; what has blocks always says whose it is. */
function isContinued(before, one) {
  return before.user === one.user && !before.for === !one.for && one.ts - before.ts < GROUP_SECONDS && !one.blocks.length && !before.blocks.length;
}

/** Messages with one element each: only those that changed are drawn again. */
class MessageList {
  constructor({ thread }) {
    this.inThread = thread;
    this.rows = new Map(); // ts -> { element, message, key }
    this.element = h("div.messages", { role: "log", "aria-label": thread ? "Replies" : "Messages", tabindex: 0 });
    this.below = h("button.below", { type: "button", hidden: true, onclick: () => this.toEnd() });
    this.frame = h("div.messages-frame", {}, this.element, this.below);
    this.where = "";
    this.newest = "";
    this.seen = ""; // the newest message that was in view
    this.follows = true; // whether the newest message is in view, and is to stay there
    this.element.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.element;
      if (!clientHeight) return;
      this.follows = scrollHeight - scrollTop - clientHeight < 60;
      if (this.follows) this.look();
    });
    // A list that is hidden cannot scroll, and one that becomes narrower grows: both are put right when it has a size.
    new ResizeObserver(() => this.follows && this.toEnd()).observe(this.element);
  }

  /** Begin at the newest message when it is shown again. */
  reset() {
    this.where = "";
  }

  show(id, root) {
    const where = `${store.user} ${id} ${root}`;
    const fresh = where !== this.where;
    if (fresh) {
      this.where = where;
      this.rows.clear();
      this.element.replaceChildren();
    }
    const messages = messagesOf(id, root);
    // What is for one's eyes only answers what one has just typed or pressed, maybe far above.
    const last = messages.at(-1);
    if (fresh || (last?.for && !this.rows.has(last.ts))) this.follows = true;
    const counts = this.inThread ? null : replyCounts(id);
    const wanted = [];
    let before = null;
    for (const one of messages) {
      const day = new Date(one.ts * 1000).toDateString();
      if (!this.inThread && (!before || new Date(before.ts * 1000).toDateString() !== day)) wanted.push(this.divider(day));
      const follows = Boolean(before) && !this.inThread && isContinued(before, one);
      const replies = counts?.get(one.ts);
      wanted.push(this.row(one, follows, replies));
      if (this.inThread && one.ts === root) wanted.push(this.divider(messages.length > 1 ? `${messages.length - 1} ${messages.length === 2 ? "reply" : "replies"}` : "No replies yet"));
      before = one;
    }
    if (!messages.length) wanted.push(h("div.empty", {}, h("p", {}, emptyText(id))));
    // Move what is there, add what is new, remove what went.
    let place = this.element.firstChild;
    for (const node of wanted) {
      if (node === place) place = place.nextSibling;
      else this.element.insertBefore(node, place);
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
    this.newest = last?.ts ?? "";
    if (this.follows) return this.toEnd();
    const unseen = messages.filter((one) => one.ts > this.seen).length;
    this.below.hidden = !unseen;
    fill(this.below, [icon("down"), `${unseen} new message${unseen === 1 ? "" : "s"}`]);
  }

  /** Show the newest message; from there on the list follows what comes. */
  toEnd() {
    this.follows = true;
    this.element.scrollTop = this.element.scrollHeight;
    this.look();
  }

  /** Everything has been in view by now. */
  look() {
    this.seen = this.newest;
    this.below.hidden = true;
  }

  divider(label) {
    const key = `divider ${label}`;
    if (!this.rows.has(key)) {
      const today = new Date().toDateString();
      this.rows.set(key, { element: h("div.divider", { role: "separator" }, h("span", {}, label === today ? "Today" : label)) });
    }
    return this.rows.get(key).element;
  }

  row(message, follows, replies) {
    const key = `${follows} ${replies ? `${replies.length} ${replies.at(-1).ts}` : ""}`;
    const old = this.rows.get(message.ts);
    if (old && old.message === message && old.key === key) return old.element;
    const element = messageRow(message, { follows, replies, inThread: this.inThread });
    if (old && old.message !== message) element.classList.add("fresh");
    this.rows.set(message.ts, { element, message, key });
    if (old) old.element.replaceWith(element);
    return element;
  }
}

function replyCounts(id) {
  const counts = new Map();
  for (const one of store.messages.values()) {
    if (one.channel !== id || !one.thread || (one.for && one.for !== store.user)) continue;
    if (!counts.has(one.thread)) counts.set(one.thread, []);
    counts.get(one.thread).push(one);
  }
  for (const list of counts.values()) list.sort((a, b) => (a.ts < b.ts ? -1 : 1));
  return counts;
}

function emptyText(id) {
  if (isDirect(id)) return "Type /gitops help: the answer comes here, to you alone.";
  return id === "C0GENERAL" ? "Quiet. People talk here; say hello." : "Nothing has been said here yet.";
}

function messageRow(message, { follows, replies, inThread }) {
  const at = new Date(message.ts * 1000);
  const isBot = message.user === store.hello.bot;
  const port = {
    act: (block, action, value) =>
      slack("click", { channel: message.channel, ts: message.ts, block_id: block, action_id: action, value })
        .catch((error) => toast(error.message, { bad: true })),
    suggest: async (block, action, query) =>
      (await slack("suggest", { channel: message.channel, ts: message.ts, block_id: block, action_id: action, query })).options,
    form: { values: {}, get: () => undefined, set: () => undefined },
  };
  const body = message.blocks.length ? h("div.blocks", {}, render(message.blocks, port)) : h("div.text", {}, mrkdwn(message.text));
  const edited = message.edited && h("span.edited", {}, "(edited)");
  const openThread = () => go({ thread: message.ts });
  return h("article.message", {
    class: `${follows ? "follows" : ""} ${message.for ? "ephemeral" : ""}`,
    "aria-label": `${nameOf(message.user)} at ${clock(at)}`,
    dataset: { ts: message.ts },
  },
    follows ? h("time.gutter", {}, clock(at)) : avatar(message.user),
    h("div.message-body", {},
      message.for && h("div.only-you", {}, icon("eye"), "Only visible to you"),
      !follows && h("div.message-head", {},
        h("strong", {}, nameOf(message.user)),
        (isBot || message.user === SLACKBOT) && h("span.app-mark", {}, "APP"),
        h("time", { datetime: at.toISOString(), title: at.toLocaleString() }, clock(at))),
      body, edited,
      (message.files || []).map(fileCard),
      replies && h("button.replies", { type: "button", onclick: openThread, dataset: { key: `replies ${message.ts}` } },
        [...new Set(replies.map((one) => one.user))].slice(0, 3).map((id) => avatar(id, "tiny")),
        h("span.link", {}, `${replies.length} ${replies.length === 1 ? "reply" : "replies"}`),
        h("span.soft", {}, `Last at ${clock(new Date(replies.at(-1).ts * 1000))}`))),
    !inThread && !message.for && h("div.hover", {},
      h("button.ghost", { type: "button", "aria-label": "Reply in thread", title: "Reply in thread", onclick: openThread }, icon("thread"))));
}

function fileCard(file) {
  const lines = file.preview.split("\n");
  const short = lines.slice(0, 8).join("\n");
  const size = file.size > 1024 ? `${(file.size / 1024).toFixed(1)} kB` : `${file.size} bytes`;
  return h("figure.file", {},
    h("figcaption", {}, icon("file"), h("a", { href: `/files/${file.id}/${file.name}`, target: "_blank" }, file.title || file.name), h("span.soft", {}, size)),
    file.preview && h("pre.code", { tabindex: 0 }, /\.(diff|patch)$/.test(file.name) ? diffLines(short) : short, lines.length > 8 && h("span.soft", {}, `\n… ${lines.length - 8} more lines`)));
}

export function diffLines(text) {
  return text.split("\n").map((line, index) => {
    const kind = /^(\+\+\+|---|diff |index |@@)/.test(line) ? "meta" : line[0] === "+" ? "plus" : line[0] === "-" ? "minus" : "";
    return [index ? "\n" : "", kind ? h(`span.${kind}`, {}, line) : line];
  });
}
