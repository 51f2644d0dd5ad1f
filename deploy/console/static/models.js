// Versions: what the gate says, who serves what, serve another one.

import { post } from "./api.js";
import { confirmed, tell } from "./dialog.js";
import { badge, card, el, table } from "./dom.js";
import { bytes, count, moment, ratio } from "./format.js";
import { action, page } from "./frame.js";

const METRICS = [["log_loss", 4], ["auc", 4], ["pcoc", 3]];

const refresh = page("/api/models", 5, ({ model, versions, scorers }) => {
  const current = versions.find((item) => item.current);
  const back = versions.slice(versions.indexOf(current) + 1).find((item) => !item.withdrawn && !item.lost);
  return [
    card(
      "Served now",
      current
        ? el("p", { class: "big" }, current.version)
        : el("p", { class: "hint" }, `No version of ${model} is published: python -m bootstrap train`),
      current && el("p", { class: "hint" }, `published ${moment(current.published_ms)}`),
      current &&
        el(
          "p",
          { class: "buttons" },
          action("Roll back", () => serve(current, null, back), { primary: true, blocked: back ? "" : "no earlier version is kept" }),
        ),
    ),
    card("Scorers", table("Who serves what", [["scorer"], ["serves"]], scorers.map(scorerRow), "no scorer is configured")),
    card("Versions", table(`Versions of ${model}, newest first`, HEAD, versions.map((item) => row(item, current)), "none yet")),
  ];
});

const HEAD = [["version"], ["published"], ["kind"], ["clicks", "number"], ["log loss", "number"], ["AUC", "number"], ["PCOC", "number"], ["size", "number"], ["gate"], [""]];

function scorerRow({ url, serves, fault }) {
  return [url, serves.length ? serves.join(", ") : badge("bad", fault)];
}

function row(item, current) {
  return [
    el("span", {}, el("b", {}, item.version), el("br"), state(item)),
    moment(item.published_ms),
    item.kind ? `${item.kind} ${item.architecture}` : null,
    count(item.metrics.clicks),
    ...METRICS.map(([name, places]) => ratio(item.metrics[name], places)),
    bytes(item.bytes),
    gate(item),
    item.current || item.lost ? "" : action("Promote", () => serve(current, item, item), { key: `promote ${item.version}`, blocked: current ? "" : "nothing is served" }),
  ];
}

function state(item) {
  if (item.lost) return badge("bad", "its manifest is lost");
  if (item.current) return badge("good", `current, on ${item.served_by.length} scorer${item.served_by.length === 1 ? "" : "s"}`);
  if (item.withdrawn) return badge("warn", `withdrawn: ${item.withdrawn}`);
  return el("span", { class: "hint" }, item.parent ? `after ${item.parent}` : "kept");
}

function gate(item) {
  if (item.lost || !Object.keys(item.metrics).length) return badge("unknown", "no metrics");
  return item.gate.length ? badge("warn", item.gate.join("; ")) : badge("good", "passes");
}

async function serve(current, to, next) {
  const done = await confirmed({
    title: to ? `Promote ${next.version}?` : `Roll back to ${next.version}?`,
    text: `All scorers will serve ${next.version} within a second; ${current.version} is marked as withdrawn.`,
    reason: "Reason, kept with the version that is withdrawn",
    verb: to ? "Promote" : "Roll back",
    act: (reason) => post("/api/models/serve", { version: to ? to.version : "", expected: current.version, reason }),
  });
  if (done) tell(`${done.served} is served now`);
  refresh();
}
