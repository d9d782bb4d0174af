// The bot's own configuration file, and where everything is for those who bring kubectl, git and curl.

import { fill, h } from "./dom.js";
import { on, store } from "./store.js";

export function configPane() {
  const pane = h("div.pane.config");
  on("hello place world", () => {
    if (!store.hello || store.place.pane !== "config") return;
    const { folder, bot_url: bot, configuration, stand_ins: others, own, apps } = store.hello;
    const health = store.world.health;
    const old = pane.querySelector("pre.file")?.scrollTop ?? 0;
    fill(pane,
      h("header.pane-head", {}, h("h1", {}, "Config"), h("p.soft", {}, "The bot is the ordinary ", h("code", {}, "gitops-bot run"), " with this file. It does not know that it is in a demo.")),
      h("div.config-body", {},
        h("section", {}, h("h2", {}, "gitops-bot.yaml"), h("pre.code.file", { tabindex: 0, dataset: { key: "file" } }, yaml(configuration))),
        h("div.config-side", {},
          h("section", {}, h("h2", {}, "Health"),
            h("p", {}, h("span.dot", { class: { ok: "healthy", degraded: "progressing", stuck: "degraded" }[health.status] ?? "unknown" }), ` ${health.status}`),
            h("ul.parts", {}, Object.entries(health.parts || {}).map(([name, state]) => h("li", {}, h("span", {}, name), h("strong", { class: /^(ok|connected)$/.test(state) ? "" : "bad" }, state)))),
            h("p", {}, h("a", { href: `${bot}/healthz`, target: "_blank" }, "/healthz"), " · ", h("a", { href: `${bot}/metrics`, target: "_blank" }, "/metrics"))),
          h("section", {}, h("h2", {}, "In a terminal"),
            h("pre.code", { tabindex: 0 }, [
              `. ${folder}/bot.env\n\ngitops-bot status\ngitops-bot plan ${apps[0]}\ntail -f ${folder}/bot.log\n`,
              own.cluster ? "" : "\nkubectl get all -n shop\n",
              own.repo ? "" : `\ngit clone ${folder}/fleet.git /tmp/fleet\n`,
            ].join(""))),
          h("section", {}, h("h2", {}, "Faults"),
            h("p", {}, "Each stand-in takes faults over HTTP:"),
            h("pre.code", { tabindex: 0 }, Object.entries(others).map(([name, url]) => `# ${name}\ncurl -X POST ${url}/_faults \\\n  -d '{"kind": "status", "status": 503, "times": 3}'\n`).join("\n"))))));
    const file = pane.querySelector("pre.file");
    file.scrollTop = old;
  });
  return pane;
}

/** Comments, keys and the rest, in colours. */
function yaml(text) {
  return text.split("\n").flatMap((line) => {
    const [, code, comment = ""] = line.match(/^((?:[^#]|(?<=\S)#)*?)(\s*#.*)?$/) || [null, line, ""];
    const key = code.match(/^(\s*(?:- )?)([\w-]+)(:.*)?$/);
    const shown = key && key[3] !== undefined ? [key[1], h("span.key", {}, key[2]), key[3]] : [code];
    return [...shown, comment && h("span.comment", {}, comment), "\n"];
  });
}
