// A page: a banner for a fault above sections that are filled again and again.

import { get, repeat } from "./api.js";
import { el, fill } from "./dom.js";
import "./shell.js";

/** Shows `show(values)` (elements) from an endpoint; what was shown stays under a fault's banner.
 *  `path` may be a function. Returns a function that shows at once. */
export function page(path, everySeconds, show) {
  const banner = el("p", { class: "banner bad", role: "alert", hidden: true });
  const content = el("div", { class: "content" });
  fill(document.getElementById("page"), banner, content);
  let told = "";
  return repeat(async () => {
    const values = await get(typeof path === "function" ? path() : path);
    banner.hidden = !values.fault;
    banner.textContent = values.fault ? `✕ ${values.fault}` : "";
    content.classList.toggle("stale", Boolean(values.fault));
    const text = JSON.stringify(values);
    if (text === told || (values.fault && Object.keys(values).length === 1)) return;
    told = text;
    if (document.querySelector("dialog[open]")) return void (told = "");
    const key = document.activeElement?.dataset?.key;
    fill(content, show(values));
    // Whoever works by keyboard stays where they were.
    if (key) content.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  }, everySeconds);
}

/** A button that only an operator may press; others are told what it takes. */
export function action(label, act, { key, primary = false, blocked = "" } = {}) {
  const isOperator = document.querySelector("meta[name=csrf]").content !== "";
  const why = blocked || (isOperator ? "" : "Log in with the operator's credential to act");
  return el(
    "button",
    { type: "button", "data-key": key ?? label, class: primary ? "primary" : null, disabled: Boolean(why), title: why || null, onclick: act },
    label,
  );
}
