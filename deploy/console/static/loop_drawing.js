// The picture of the loop as SVG. Where boxes are and which way edges go is written here, once.

import { SIGNS, svg } from "./dom.js";
import { figure } from "./format.js";

const WIDTH = 168;
const HEIGHT = 104;
const LINE = 22; // characters of a reason that fit into a box
const PLACES = {
  adserver: [8, 96],
  kafka: [282, 96],
  events: [556, 96],
  redis: [830, 96],
  scorer: [1104, 96],
  "dead-letters": [282, 300],
  learning: [830, 300],
  lake: [556, 456],
  bootstrap: [830, 456],
};
// Path and the middle of its label.
const PATHS = {
  "adserver kafka": ["M176 148H276", 226, 138],
  "kafka events": ["M450 148H550", 500, 138],
  "events redis": ["M724 148H824", 774, 138],
  "redis scorer": ["M998 148H1098", 1048, 138],
  "scorer adserver": ["M1188 96V40H92V90", 640, 34],
  "events dead-letters": ["M590 200V352H456", 522, 342],
  "events learning": ["M690 200V352H824", 757, 342],
  "learning redis": ["M914 300V206", 914, 236],
  "events lake": ["M640 200V450", 640, 414],
  "lake bootstrap": ["M724 508H824", 774, 498],
  "bootstrap redis": ["M998 508H1056V252H970V206", 1056, 400],
};

/** The whole picture; `choose(id)` is called with the box that was chosen. */
export function drawing(picture, chosen, choose) {
  return svg(
    "svg",
    { viewBox: "0 0 1280 576", class: "loop", role: "group", "aria-label": "Parts of the engine and what flows between them" },
    svg(
      "defs",
      {},
      svg(
        "marker",
        { id: "arrow", viewBox: "0 0 10 10", refX: 8, refY: 5, markerWidth: 7, markerHeight: 7, orient: "auto" },
        svg("path", { d: "M0 0L10 5L0 10z", class: "arrow" }),
      ),
    ),
    picture.edges.map(edge),
    picture.boxes.map((item) => box(item, item.id === chosen, choose)),
  );
}

function edge({ source, target, what, figures }) {
  const [path, x, y] = PATHS[`${source} ${target}`];
  const moves = figures.some((item) => item.unit === "/s" && item.value > 0);
  const lines = [what, ...figures.filter((item) => item.value != null).map((item) => `${item.label} ${figure(item)}`)];
  // Beside a line that lies, the name is above it and the figures are below.
  const gap = path.includes("H") ? 10 : 0;
  const first = target === "adserver" ? [lines.join("  ·  ")] : lines;
  return svg(
    "g",
    { class: moves ? "edge moves" : "edge" },
    svg("path", { d: path, "marker-end": "url(#arrow)" }),
    first.map((text, at) => svg("text", { x, y: y + gap * Math.min(at, 1) + 16 * at, class: at === 0 ? "what" : "figure" }, text)),
  );
}

function box(item, isChosen, choose) {
  const [x, y] = PLACES[item.id];
  const reason = item.reasons[0] ?? "";
  const told = `${item.title}: ${item.health}. ${item.reasons.join("; ")}`;
  return svg(
    "g",
    {
      class: `box ${item.health}${isChosen ? " chosen" : ""}`,
      transform: `translate(${x} ${y})`,
      tabindex: 0,
      role: "button",
      "aria-label": told,
      "aria-pressed": String(isChosen),
      "data-box": item.id,
      onclick: () => choose(item.id),
      onkeydown: (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose(item.id);
      },
    },
    svg("title", {}, told),
    svg("rect", { width: WIDTH, height: HEIGHT, rx: 12, class: "frame" }),
    svg("circle", { cx: 22, cy: 24, r: 10, class: "mark" }),
    svg("text", { x: 22, y: 28.5, class: "sign", "aria-hidden": "true" }, SIGNS[item.health]),
    svg("text", { x: 40, y: 29, class: "title" }, item.title),
    item.figures.slice(0, reason ? 1 : 3).flatMap((one, at) => [
      svg("text", { x: 14, y: 53 + 18 * at, class: "label" }, one.label),
      svg("text", { x: WIDTH - 14, y: 53 + 18 * at, class: "value" }, figure(one)),
    ]),
    inTwoLines(reason).map((line, at) => svg("text", { x: 14, y: HEIGHT - 26 + 15 * at, class: "reason" }, line)),
  );
}

/** At most two lines at blanks; the whole text is in the list below the picture. */
function inTwoLines(text) {
  const lines = [];
  for (const word of text.split(" ").filter(Boolean)) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && longer.length <= LINE) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  const shown = lines.slice(0, 2).map((line) => (line.length > LINE ? `${line.slice(0, LINE - 1)}…` : line));
  if (lines.length > 2 && !shown[1].endsWith("…")) shown[1] = `${shown[1].slice(0, LINE - 1)}…`;
  return shown;
}
