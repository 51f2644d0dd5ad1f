// What was refused: by reason and topic, the newest of it, and back to where it came from.

import { post } from "./api.js";
import { confirmed, tell } from "./dialog.js";
import { badge, card, el, table } from "./dom.js";
import { bytes, count, moment } from "./format.js";
import { action, page } from "./frame.js";

let chosen = "";

const refresh = page(
  () => `/api/dead-letters?reason=${encodeURIComponent(chosen)}`,
  10,
  ({ counts, newest, unreadable }) => [
    card(
      "By reason",
      table(
        "All that was refused and is kept",
        [["reason"], ["topic"], ["records", "number"], ["sent back", "number"], [""]],
        counts.map((item) => [
          el("button", { type: "button", class: "link", "data-key": `reason ${item.reason} ${item.topic}`, "aria-pressed": String(chosen === item.reason), onclick: () => choose(item.reason) }, item.reason),
          item.topic,
          count(item.count),
          count(item.resubmitted),
          action("Send back", () => resubmit(item), { key: `send ${item.reason} ${item.topic}`, blocked: blocked(item) }),
        ]),
        "nothing was refused",
      ),
      unreadable ? el("p", { class: "hint" }, `${count(unreadable)} records of the topic are no dead letters.`) : null,
    ),
    card(
      chosen ? `Newest: ${chosen}` : "Newest",
      chosen ? el("p", {}, el("button", { type: "button", onclick: () => choose(chosen) }, "Show all reasons")) : null,
      table(
        "The newest 50, newest first",
        [["when"], ["reason"], ["from"], ["key"], ["first bytes"], ["size", "number"], [""]],
        newest.map((row) => [
          moment(row.ts_ms),
          row.reason,
          `${row.topic} ${row.partition}:${row.offset}`,
          row.key === null ? null : el("code", {}, row.key),
          el("code", { class: "bytes" }, row.begin),
          bytes(row.bytes),
          row.resubmitted ? badge("good", "sent back") : "",
        ]),
        "nothing was refused",
      ),
    ),
  ],
);

function blocked(item) {
  if (!item.may_be_sent) return "came from no topic of events";
  return "";
}

function choose(reason) {
  chosen = chosen === reason ? "" : reason;
  refresh();
}

async function resubmit(item) {
  const done = await confirmed({
    title: `Send back ${item.topic}: ${item.reason}?`,
    text: `What was not sent back yet goes to ${item.topic} once more. If its cause is still there, it is refused again. An ad or a user must not be sent back when the topic has got a newer record of it.`,
    verb: "Send back",
    act: () => post("/api/dead-letters/resubmit", { reason: item.reason, topic: item.topic }),
  });
  if (done) tell(`${count(done.sent)} sent back to ${item.topic}`);
  refresh();
}
