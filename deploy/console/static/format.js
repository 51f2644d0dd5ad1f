// Numbers as people read them; null is a dash: nobody knows.

const NONE = "–";

/** 1234567 → 1.23 M. */
export function count(value) {
  if (value == null) return NONE;
  for (const [size, unit] of [[1e9, " G"], [1e6, " M"], [1e4, " k"]])
    if (Math.abs(value) >= size) return `${digits(value / (size === 1e4 ? 1e3 : size))}${unit}`;
  return digits(value);
}

/** 0.0042 → 4.2 ms; 7500 → 2 h 5 min. */
export function seconds(value) {
  if (value == null) return NONE;
  if (value < 1) return `${digits(1000 * value)} ms`;
  if (value < 120) return `${digits(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  if (value < 172800) return `${digits(value / 3600)} h`;
  return `${Math.round(value / 86400)} d`;
}

/** 1048576 → 1.05 MB. */
export function bytes(value) {
  if (value == null) return NONE;
  for (const [size, unit] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]])
    if (value >= size) return `${digits(value / size)} ${unit}`;
  return `${value} B`;
}

/** 0.0312 → 3.12 %. */
export function share(value) {
  return value == null ? NONE : `${digits(100 * value)} %`;
}

/** 0.59971 → 0.5997. */
export function ratio(value, places = 4) {
  return value == null ? NONE : value.toFixed(places);
}

/** An interval of two numbers. */
export function interval(low, high, write) {
  return low == null || high == null ? NONE : `${write(low)} … ${write(high)}`;
}

/** Milliseconds since 1970 → date and time of this place, and how long ago. */
export function moment(ms) {
  if (!ms) return NONE;
  const date = new Date(ms);
  const day = date.toLocaleDateString("en-CA");
  return `${day} ${date.toLocaleTimeString("en-GB")} (${seconds(Math.max(0, (Date.now() - ms) / 1000))} ago)`;
}

/** A figure of the picture by its unit. */
export function figure({ value, unit }) {
  if (value == null) return NONE;
  if (unit === "/s") return `${count(value)}/s`;
  if (unit === "s") return seconds(value);
  if (unit === "s ago") return `${seconds(value)} ago`;
  if (unit === "bytes") return bytes(value);
  if (unit === "ratio") return ratio(value, 3);
  return count(value);
}

function digits(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-GB");
  return String(Number(value.toPrecision(size < 1 ? 2 : 3)));
}
