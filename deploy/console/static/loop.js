// The loop: the picture, what needs attention, alerts, and rates over the last minutes.

import { get, repeat } from "./api.js";
import { series } from "./chart.js";
import { badge, card, el, fill } from "./dom.js";
import { figure, moment } from "./format.js";
import { drawing } from "./loop_drawing.js";
import { onPicture } from "./shell.js";

const picture = el("div", { class: "scroll picture", tabindex: "0", role: "region", "aria-label": "The loop" });
const attention = el("ul", { class: "plain" });
const alerts = el("ul", { class: "plain", id: "alert-list" });
const details = el("div", {});
const chart = el("div", { class: "chart" });
let chosen = null;

fill(
  document.getElementById("page"),
  el(
    "div",
    { class: "content" },
    card("", picture),
    el("div", { class: "columns" }, card("Needs attention", attention), card("Alerts", alerts), card("Chosen part", details)),
    card("Rates", chart),
  ),
);

function show(values) {
  const focused = document.activeElement?.dataset?.box;
  fill(picture, drawing(values, chosen, choose));
  if (focused) picture.querySelector(`[data-box="${focused}"]`)?.focus();
  const wrong = values.boxes.filter((box) => box.reasons.length);
  fill(
    attention,
    wrong.length
      ? wrong.map((box) => el("li", {}, badge(box.health, box.title), el("span", { class: "why" }, box.reasons.join("; "))))
      : el("li", {}, badge("good", "nothing")),
  );
  showAlerts(values);
  showDetails(values);

  function choose(id) {
    chosen = id;
    show(values);
  }
}

function showAlerts(values) {
  if (values.alerts_fault) fill(alerts, el("li", {}, badge("bad", "Prometheus"), el("span", { class: "why" }, values.alerts_fault)));
  else if (values.alerts === null) fill(alerts, el("li", { class: "hint" }, "No Prometheus is configured: CTR_CONSOLE_PROMETHEUS"));
  else if (!values.alerts.length) fill(alerts, el("li", {}, badge("good", "none fires")));
  else
    fill(
      alerts,
      values.alerts.map((alert) =>
        el(
          "li",
          {},
          badge(alert.state === "firing" ? "bad" : "warn", `${alert.name}, ${alert.state}`),
          el("span", { class: "why" }, `${alert.summary} since ${moment(Date.parse(alert.since))}`),
        ),
      ),
    );
}

function showDetails(values) {
  const box = values.boxes.find((item) => item.id === chosen);
  if (!box) return fill(details, el("p", { class: "hint" }, "Choose a box: by mouse, or by Tab and Enter."));
  const flows = values.edges.filter((edge) => edge.source === chosen || edge.target === chosen);
  fill(
    details,
    el("p", {}, badge(box.health, box.title), el("span", { class: "why" }, box.reasons.join("; ") || "well")),
    el(
      "dl",
      {},
      box.figures.flatMap((item) => [el("dt", {}, item.label), el("dd", {}, figure(item))]),
      flows.flatMap((edge) => [
        el("dt", {}, edge.source === chosen ? `${edge.what} →` : `→ ${edge.what}`),
        el("dd", {}, edge.figures.map((item) => `${item.label} ${figure(item)}`).join(", ") || "–"),
      ]),
    ),
  );
}

onPicture(show);

const LINES = [
  ["impressions", "impressions"],
  ["clicks", "clicks"],
  ["training-samples", "labels"],
  ["requests", "scorer calls"],
];
repeat(async () => {
  const values = await get("/api/history");
  if (!values.fault) series(chart, values.at, LINES.map(([key, label]) => ({ label, values: values[key] })), "a second");
}, 4);
