// The on-call desk: open, acknowledged and closed alerts, with what happened to each.

import { ago, clock, fill, h, toast } from "./dom.js";
import { on, post, store } from "./store.js";

export function oncallPane() {
  const pane = h("div.pane.oncall");
  const draw = () => {
    if (!store.hello || store.place.pane !== "oncall") return;
    const open = store.alerts.filter((one) => one.open && !one.acknowledged);
    const seen = store.alerts.filter((one) => one.open && one.acknowledged);
    const closed = store.alerts.filter((one) => !one.open);
    fill(pane,
      h("header.pane-head", {}, h("h1", {}, "On-call"), h("p.soft", {}, "What Opsgenie or Jira Service Management would show. Acknowledge and close go back to the bot by its webhook.")),
      store.world.on.includes("oncall-down") && h("div.banner", { role: "status" }, "The on-call service is down: pages wait until it is back."),
      !store.alerts.length && h("div.empty", {}, h("p", {}, "Nobody has been woken. Push a broken image and wait for the second failure.")),
      column("Open", open), column("Acknowledged", seen), column("Closed", closed));
  };
  on("alerts place hello user world", draw);
  return pane;
}

function column(title, alerts) {
  if (!alerts.length) return null;
  return h("section", { "aria-label": title }, h("h2", {}, title, h("span.count", {}, alerts.length)), [...alerts].reverse().map(card));
}

function card(alert) {
  const settle = async (action) => {
    try {
      await post("/api/oncall", { number: alert.number, action, user: store.user });
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  const state = !alert.open ? "closed" : alert.acknowledged ? "acknowledged" : "open";
  return h("article.alert", { class: `${state} ${alert.priority}`, "aria-label": `Alert ${alert.number}, ${state}` },
    h("div.alert-head", {},
      h("span.priority", { title: "Priority" }, alert.priority),
      h("div.alert-title", {}, h("h3", {}, alert.message), h("p.soft", {}, `#${alert.number} · ${alert.alias} · ${ago(new Date(alert.at))}${alert.count > 1 ? ` · ${alert.count} times` : ""}`)),
      alert.open && h("div.alert-buttons", {},
        !alert.acknowledged && h("button.button.primary", { type: "button", dataset: { key: `ack ${alert.number}` }, onclick: () => settle("acknowledge") }, "Acknowledge"),
        h("button.button", { type: "button", dataset: { key: `close ${alert.number}` }, onclick: () => settle("close") }, "Close"))),
    alert.acknowledged_by && h("p.alert-by", {}, `Acknowledged by ${alert.acknowledged_by}`),
    alert.description && h("details", {}, h("summary", {}, "Description"), h("pre.code", { tabindex: 0 }, alert.description)),
    alert.tags.length > 0 && h("p.tags", {}, alert.tags.map((tag) => h("span.tag", {}, tag))),
    h("ol.log", {}, alert.log.map((entry) => h("li", {}, h("time", {}, clock(new Date(entry.at))), h("strong", {}, entry.by), h("span", {}, entry.text)))));
}
