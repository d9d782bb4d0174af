// The question before something is done, as a native <dialog>: the browser keeps the focus inside and Escape closes.

import { h } from "./dom.js";
import { text } from "./mrkdwn.js";

/** Ask before something is done; resolves to true or false. */
export function confirm(object) {
  return new Promise((resolve) => {
    const dialog = h("dialog.confirm", { "aria-labelledby": "confirm-title" },
      h("h2", { id: "confirm-title" }, text(object.title)),
      h("div.dialog-body", {}, text(object.text)),
      h("div.dialog-buttons", {},
        h("button.button", { type: "button", onclick: () => dialog.close() }, text(object.deny)),
        h("button.button", { type: "button", class: object.style === "danger" ? "danger" : "primary", autofocus: true, onclick: () => dialog.close("yes") }, text(object.confirm))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
