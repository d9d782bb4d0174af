// What this page knows of the world, fed by the event stream; who wants to know subscribes to a topic.

export const store = {
  hello: null,
  messages: new Map(), // "channel ts" -> message
  views: {},
  homes: {},
  alerts: [],
  world: { health: { status: "starting" }, on: [], done: [], head: "" },
  user: sessionStorage.getItem("user") || "U0ANA",
  place: { pane: "slack", channel: "C0DEPLOYS", thread: "" },
  read: JSON.parse(sessionStorage.getItem("read") || "{}"),
};

const listeners = new Map();

/** Call `listener` after each change of one of the topics (messages, views, homes, alerts, world, user, place, hello). */
export function on(topics, listener) {
  for (const topic of topics.split(" ")) {
    if (!listeners.has(topic)) listeners.set(topic, new Set());
    listeners.get(topic).add(listener);
  }
}

const pending = new Set();
/** Tell the listeners of a topic, once per frame whatever happens meanwhile. */
export function changed(topic) {
  if (!pending.size) queueMicrotask(flush);
  pending.add(topic);
}

function flush() {
  const topics = [...pending];
  pending.clear();
  const called = new Set(topics.flatMap((topic) => [...(listeners.get(topic) || [])]));
  for (const listener of called) listener(topics);
}

export function become(user) {
  store.user = user;
  sessionStorage.setItem("user", user);
  changed("user");
}

export const person = (id) => store.hello?.users.find((one) => one.id === id);
export const channel = (id) => store.hello?.channels.find((one) => one.id === id);
export const isDirect = (id) => id.startsWith("D");
export const directOf = (user) => `D${user.slice(1)}`;

/** Messages of a channel that the present person sees, oldest first; without a thread: roots only. */
export function messagesOf(channelId, thread = "") {
  const found = [];
  for (const one of store.messages.values()) {
    if (one.channel !== channelId || (one.for && one.for !== store.user)) continue;
    if (thread ? one.ts === thread || one.thread === thread : !one.thread) found.push(one);
  }
  return found.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
}

export function unread(channelId) {
  const seen = store.read[`${store.user} ${channelId}`] || "0";
  return messagesOf(channelId).filter((one) => one.ts > seen && one.user !== store.user).length;
}

/** Remember that the present person has seen a channel up to its end. */
export function markRead(channelId) {
  const last = messagesOf(channelId).at(-1);
  const key = `${store.user} ${channelId}`;
  if (!last || store.read[key] === last.ts) return false;
  store.read[key] = last.ts;
  sessionStorage.setItem("read", JSON.stringify(store.read));
  return true;
}

/** Ask the server for something; throws an Error with a sentence when it refuses. */
export async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.message);
  return said;
}

export async function get(path) {
  const answer = await fetch(path);
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.message);
  return said;
}

/** As `post`, for the workspace and as the present person; throws when the app does not acknowledge either. */
export async function slack(verb, body) {
  const said = await post(`/api/slack/${verb}`, { user: store.user, ...body });
  if (said.ok === false) throw new Error("gitops did not respond in time. Try again when it is back.");
  return said;
}

/** Listen to the world for as long as the page lives; the browser reconnects by itself. */
export function listen(connected) {
  const stream = new EventSource("/api/stream");
  const hear = (name, take) =>
    stream.addEventListener(name, (event) => {
      take(JSON.parse(event.data));
      changed(name);
    });
  stream.addEventListener("open", () => connected(true));
  stream.addEventListener("error", () => connected(false));
  hear("hello", (said) => {
    store.hello = said;
    store.messages.clear();
    if (!person(store.user)) store.user = said.users[0].id;
  });
  hear("messages", (said) => {
    for (const one of said.messages) store.messages.set(`${one.channel} ${one.ts}`, one);
    for (const [channelId, ts] of said.gone) store.messages.delete(`${channelId} ${ts}`);
  });
  for (const name of ["views", "homes", "alerts", "world"]) hear(name, (said) => (store[name] = said));
}
