// Elements from values. Text is never parsed as HTML: keys and reasons hold what strangers sent.

const SVG = "http://www.w3.org/2000/svg";

/** An element; properties that begin with "on" are listeners, others attributes. */
export function el(name, properties = {}, ...children) {
  return filled(document.createElement(name), properties, children);
}

/** The same of SVG. */
export function svg(name, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, name), properties, children);
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** A table in a frame that scrolls sideways; `columns` are [title, "number" or ""]. */
export function table(caption, columns, rows, empty = "nothing yet") {
  const head = columns.map(([title, kind = ""]) => el("th", { scope: "col", class: kind }, title));
  const body = rows.map((cells) =>
    el("tr", {}, cells.map((cell, at) => el("td", { class: columns[at][1] || null }, cell ?? "–"))),
  );
  if (!rows.length) body.push(el("tr", {}, el("td", { colspan: columns.length, class: "empty" }, empty)));
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)),
  );
}

/** A word with a sign, so that health is not told by colour alone. */
export function badge(health, text) {
  return el("span", { class: `badge ${health}` }, el("span", { "aria-hidden": "true" }, SIGNS[health]), ` ${text}`);
}

export const SIGNS = { good: "✓", warn: "!", bad: "✕", unknown: "?" };

/** A card with a heading. */
export function card(title, ...children) {
  return el("section", { class: "card" }, title && el("h2", {}, title), ...children);
}
