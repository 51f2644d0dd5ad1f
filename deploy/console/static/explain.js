// Explain: what each field of a request adds to an ad's logit.

import { get } from "./api.js";
import { badge, card, el, fill, table } from "./dom.js";
import { ratio, share } from "./format.js";
import "./shell.js";

const asked = new URLSearchParams(location.search);
const result = el("div", { "aria-live": "polite" });
const keys = el("span", { class: "hint", id: "context-hint" });
const input = (name, label, hint, extra = {}) => [
  el("label", { for: name }, label),
  el("input", { id: name, name, value: asked.get(name) ?? "", autocomplete: "off", ...extra }),
  hint,
];
const form = el(
  "form",
  { onsubmit: submit },
  input("user", "User", null, { required: true, placeholder: "u1" }),
  input("context", "Context", keys, { placeholder: "hour=9, device=phone", "aria-describedby": "context-hint" }),
  input("ads", "Ads", el("span", { class: "hint" }, "by commas; none: those that Rank answers")),
  el("p", {}, el("button", { type: "submit", class: "primary" }, "Explain")),
);
fill(document.getElementById("page"), el("div", { class: "content" }, card("A request", form), result));

const known = await get("/api/explain");
keys.textContent = known.context_keys?.length ? `key=value; the features know ${known.context_keys.join(", ")}` : "key=value";
if (asked.get("user")) show();

function submit(event) {
  event.preventDefault();
  const query = new URLSearchParams(new FormData(form));
  history.replaceState(null, "", `?${query}`);
  show(query);
}

async function show(query = asked) {
  fill(result, el("p", { class: "hint" }, "asking the scorer …"));
  const answer = await get(`/api/explain?${query}`);
  if (answer.fault) return fill(result, el("p", { class: "banner bad", role: "alert" }, `✕ ${answer.fault}`));
  if (!answer.ads.length) return fill(result, card("", el("p", { class: "empty" }, "The scorer has no ad for this request.")));
  fill(
    result,
    card("", el("p", {}, `arm ${answer.variant}, version ${answer.model_version} `, badge(answer.rung === "FULL" ? "good" : "warn", answer.rung))),
    answer.ads.map((item, at) => ad(item, at === 0)),
  );
}

function ad({ ad_id, ctr, logit, constant, contributions }, isOpen) {
  const widest = Math.max(...contributions.map((item) => Math.abs(item.total)), 1e-9);
  return el(
    "details",
    { class: "card", open: isOpen },
    el("summary", {}, `${ad_id}: ${share(ctr)}`),
    el("p", { class: "hint" }, `logit ${ratio(logit, 3)} = constant ${ratio(constant, 3)} + what follows; calibration makes it ${share(ctr)}`),
    table(
      "What each field adds to the logit, the largest first",
      [["field"], ["value"], ["adds", "number"], [""], ["first order", "number"], ["interaction", "number"], ["tower", "number"]],
      contributions.map((item) => [
        item.field,
        item.value || el("span", { class: "hint" }, "default"),
        signed(item.total),
        bar(item.total / widest),
        signed(item.first_order),
        signed(item.interaction),
        signed(item.tower),
      ]),
    ),
  );
}

function bar(value) {
  return el("meter", { class: value < 0 ? "less" : "more", min: 0, max: 1, value: Math.abs(value), title: value < 0 ? "lowers" : "raises" });
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}
