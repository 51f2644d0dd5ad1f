// Arms of the experiment, with intervals as numbers and as bars.

import { badge, card, el, svg, table } from "./dom.js";
import { count, interval, ratio, share } from "./format.js";
import { page } from "./frame.js";

page("/api/experiments", 5, ({ arms, minutes }) => [
  card(
    `Click rate by arm, labels of the last ${minutes} minutes`,
    arms.length ? bars(arms) : el("p", { class: "empty" }, "No labels yet."),
  ),
  card(
    "Arms",
    table(
      "Arms, most impressions first; intervals of 95 %",
      [["arm"], ["versions"], ["impressions", "number"], ["clicks", "number"], ["CTR", "number"], ["95 %", "number"], ["against the first"], ["PCOC", "number"], ["95 %", "number"], ["log loss", "number"]],
      arms.map((arm) => [
        el("b", {}, arm.arm),
        arm.versions.join(", "),
        count(arm.rows),
        count(arm.clicks),
        share(arm.ctr),
        interval(arm.ctr_low, arm.ctr_high, share),
        against(arm.lift),
        ratio(arm.pcoc, 3),
        interval(arm.pcoc_low, arm.pcoc_high, (value) => ratio(value, 3)),
        ratio(arm.log_loss),
      ]),
    ),
  ),
]);

function against(lift) {
  if (!lift) return null;
  const text = `${signed(lift.lift)} (${interval(lift.low, lift.high, signed)})`;
  if (lift.low > 0) return badge("good", text);
  return lift.high < 0 ? badge("bad", text) : badge("unknown", text);
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${share(Math.abs(value))}`;
}

function bars(arms) {
  const top = 1.05 * Math.max(...arms.map((arm) => arm.ctr_high ?? 0), 1e-6);
  const x = (value) => 150 + (620 * value) / top;
  return svg(
    "svg",
    { viewBox: `0 0 860 ${20 + 40 * arms.length}`, class: "bars", role: "img", "aria-label": "Click rates with intervals; the numbers are in the table" },
    svg("path", { d: `M150 6V${14 + 40 * arms.length}`, class: "axis" }),
    arms.map((arm, at) => {
      const y = 30 + 40 * at;
      return [
        svg("text", { x: 140, y: y + 5, class: "name" }, arm.arm),
        svg("path", { d: `M${x(arm.ctr_low ?? 0)} ${y}H${x(arm.ctr_high ?? 0)}`, class: "range" }),
        svg("circle", { cx: x(arm.ctr ?? 0), cy: y, r: 6, class: "point" }),
        svg("text", { x: x(arm.ctr_high ?? 0) + 12, y: y + 5, class: "value" }, share(arm.ctr)),
      ];
    }),
  );
}
