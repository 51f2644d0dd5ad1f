// Calibration: what was predicted against what was observed, of live labels.

import { reliability } from "./chart.js";
import { badge, card, el, table } from "./dom.js";
import { count, interval, ratio, share } from "./format.js";
import { page } from "./frame.js";

let arm = "";

const refresh = page(
  () => `/api/calibration?arm=${encodeURIComponent(arm)}`,
  5,
  ({ deciles, quality, versions, arms, minutes, skipped }) => {
    const chart = el("div", { class: "chart" });
    if (deciles.length)
      requestAnimationFrame(() => reliability(chart, deciles.map((group) => ({ x: group.predicted, y: group.observed, low: group.low, high: group.high }))));
    return [
      card(
        `Labels of the last ${minutes} minutes`,
        el(
          "p",
          {},
          el("label", { for: "arm" }, "Arm "),
          el("select", { id: "arm", "data-key": "arm", onchange: choose }, ["", ...arms].map((name) => el("option", { value: name, selected: name === arm }, name || "all"))),
        ),
        tiles(quality),
        skipped ? el("p", { class: "hint" }, `${count(skipped)} labels came too fast to be read and are left out.`) : null,
      ),
      card("Predicted and observed, by decile", deciles.length ? chart : el("p", { class: "empty" }, "No labels yet: play traffic, then wait for the label wait.")),
      card(
        "Reliability by decile",
        table(
          "Ten groups of about equal weight, lowest predictions first; the interval is Wilson's",
          [["decile", "number"], ["predicted", "number"], ["observed", "number"], ["95 %", "number"], ["impressions", "number"], ["clicks", "number"], ["inside"]],
          deciles.map((group, at) => [
            at + 1,
            share(group.predicted),
            share(group.observed),
            interval(group.low, group.high, share),
            count(group.rows),
            count(group.clicks),
            group.low <= group.predicted && group.predicted <= group.high ? badge("good", "yes") : badge("warn", "no"),
          ]),
        ),
      ),
      card(
        "By version",
        table(
          "Arms and versions",
          [["arm"], ["version"], ["impressions", "number"], ["clicks", "number"], ["log loss", "number"], ["PCOC", "number"], ["95 %", "number"]],
          versions.map((item) => [item.arm, item.version, count(item.rows), count(item.clicks), ratio(item.log_loss), ratio(item.pcoc, 3), interval(item.pcoc_low, item.pcoc_high, (v) => ratio(v, 3))]),
        ),
      ),
    ];
  },
);
addEventListener("themechange", refresh);

function choose(event) {
  arm = event.target.value;
  refresh();
}

function tiles(quality) {
  const tile = (label, value, note) => el("div", { class: "tile" }, el("span", { class: "label" }, label), el("b", {}, value), el("span", { class: "hint" }, note));
  return el(
    "div",
    { class: "tiles" },
    tile("impressions", count(quality.rows), `${count(quality.clicks)} clicks`),
    tile("PCOC", ratio(quality.pcoc, 3), interval(quality.pcoc_low, quality.pcoc_high, (v) => ratio(v, 3))),
    tile("log loss", ratio(quality.log_loss), `normalised ${ratio(quality.normalised_log_loss)}`),
    tile("CTR", share(quality.ctr), interval(quality.ctr_low, quality.ctr_high, share)),
  );
}
