// Charts by uPlot in the colours of the theme. Series differ by dash as well as by colour.

import { el, fill } from "./dom.js";

const DASHES = [[], [8, 4], [2, 3], [12, 4, 2, 4]];
const HEIGHT = 300;

const drawn = new Map();

/** Lines over time (epoch seconds); drawn again in place, so that hovering goes on. */
export function series(holder, at, lines, unit) {
  const data = [at, ...lines.map((line) => line.values)];
  draw(holder, data, () => ({
    series: [{ value: "{HH}:{mm}:{ss}" }, ...lines.map((line, number) => stroke(line.label, number))],
    axes: [axis(), axis(unit)],
    scales: { y: { range: (chart, low, high) => [0, Math.max(1, high * 1.1)] } },
  }));
}

/** Points with vertical intervals against the diagonal; `points` have x, y, low, high. */
export function reliability(holder, points) {
  const xs = points.map((point) => point.x);
  const data = [xs, xs, points.map((point) => point.y), points.map((point) => point.low), points.map((point) => point.high)];
  const top = 1.1 * Math.max(...xs, ...points.map((point) => point.high), 1e-6);
  const percent = (chart, value) => (value == null ? "–" : `${(100 * value).toFixed(2)} %`);
  draw(holder, data, () => ({
    scales: { x: { time: false, range: [0, top] }, y: { range: [0, top] } },
    series: [
      { label: "predicted", value: percent },
      { ...stroke("calibrated", 1), value: percent, points: { show: false } },
      { ...stroke("observed", 0), value: percent, points: { show: true, size: 9 } },
      { label: "95 % from", value: percent, stroke: "transparent", points: { show: false } },
      { label: "to", value: percent, stroke: "transparent", points: { show: false } },
    ],
    axes: [axis("predicted", true), axis("observed", true)],
    hooks: { draw: [intervals] },
  }));
}

function intervals(chart) {
  const [xs, , , lows, highs] = chart.data;
  const context = chart.ctx;
  context.save();
  context.strokeStyle = colour("--series-0");
  context.lineWidth = 1.5 * devicePixelRatio;
  for (let at = 0; at < xs.length; at++) {
    const x = chart.valToPos(xs[at], "x", true);
    context.beginPath();
    context.moveTo(x, chart.valToPos(lows[at], "y", true));
    context.lineTo(x, chart.valToPos(highs[at], "y", true));
    context.stroke();
  }
  context.restore();
}

function draw(holder, data, options) {
  const width = Math.max(280, holder.clientWidth || holder.parentElement?.clientWidth || 600);
  const theme = colour("--text");
  const before = drawn.get(holder);
  if (before && before.theme === theme && before.chart.width === width && before.chart.root.isConnected) {
    before.chart.setData(data);
    return;
  }
  before?.chart.destroy();
  const place = el("div", {});
  fill(holder, place);
  const chart = new window.uPlot({ width, height: HEIGHT, legend: { live: true }, cursor: { drag: { x: false, y: false } }, ...options() }, data, place);
  drawn.set(holder, { chart, theme });
}

function stroke(label, number) {
  return { label, stroke: colour(`--series-${number}`), width: 2, dash: DASHES[number], points: { show: false } };
}

function axis(label, isShare = false) {
  return {
    label,
    labelSize: label ? 22 : 0,
    size: isShare ? 52 : 46,
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1 },
    values: isShare ? (chart, values) => values.map((value) => `${Number((100 * value).toPrecision(3))} %`) : undefined,
  };
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
