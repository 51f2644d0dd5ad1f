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
      together(values.alerts).map((group) =>
        el("li", {}, badge(gravity(group[0]), `${group[0].name}, ${group[0].state}`), el("span", { class: "why" }, told(group))),
      ),
    );
}

/** Alerts of one name and state, in the order of the first of each. */
function together(all) {
  const groups = new Map();
  for (const alert of all) {
    const key = `${alert.name} ${alert.state}`;
    groups.set(key, [...(groups.get(key) ?? []), alert]);
  }
  return [...groups.values()];
}

function gravity({ state, severity }) {
  return state === "firing" && severity !== "info" ? "bad" : "warn";
}

function told(group) {
  const [first] = group;
  const since = moment(Math.min(...group.map((alert) => Date.parse(alert.since))));
  if (group.length === 1) return `${first.summary} since ${since}`;
  const differing = Object.keys(first.labels).filter((label) => new Set(group.map((alert) => alert.labels[label])).size > 1);
  const which = differing.map((label) => `${label} ${group.map((alert) => alert.labels[label]).join(", ")}`);
  return `${group.length} since ${since}: ${which.join("; ")}`;
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
