// Savepoints of both jobs: take one, go back to one.

import { post } from "./api.js";
import { confirmed, tell } from "./dialog.js";
import { badge, card, el, table } from "./dom.js";
import { bytes, count, moment } from "./format.js";
import { action, page } from "./frame.js";

const refresh = page("/api/savepoints", 5, ({ jobs }) => jobs.map(job));

function job(item) {
  const runs = item.state === "RUNNING";
  return card(
    `${item.name} job`,
    el("p", {}, badge(health(item), state(item)), el("span", { class: "why" }, item.failure ?? "")),
    item.checkpoints &&
      el("p", { class: "hint" }, `checkpoints: ${count(item.checkpoints.completed)} complete, ${count(item.checkpoints.failed)} failed, newest ${moment(item.checkpoints.newest_ms)}, ${bytes(item.checkpoints.newest_bytes)}`),
    el("p", { class: "buttons" }, action("Take a savepoint", () => take(item), { key: `take ${item.name}`, primary: true, blocked: runs ? "" : "the job does not run" })),
    item.restore_elsewhere && el("p", { class: "hint" }, `Not restored from here: ${item.restore_elsewhere}. Beside each savepoint is what to type.`),
    table(
      `Savepoints in ${item.folder}`,
      [["savepoint"], ["newest since"], ["size", "number"], [""]],
      item.savepoints.map((point) => [
        el("code", { title: point.path }, point.name),
        moment(point.taken_ms),
        bytes(point.bytes),
        item.restore_elsewhere ? el("code", { class: "typed" }, point.restore) : action("Restore", () => restore(item, point), { key: `restore ${point.path}` }),
      ]),
      "none yet",
    ),
  );
}

function health(item) {
  if (item.healthy) return "good";
  return item.state === "RUNNING" ? "warn" : "bad";
}

function state(item) {
  if (item.state === "UNREACHABLE") return `no Flink answers at ${item.url}`;
  if (item.state === "ABSENT") return `Flink at ${item.url} runs no such job`;
  return item.state;
}

async function take(item) {
  const done = await confirmed({
    title: `Take a savepoint of the ${item.name} job?`,
    text: "The job runs on. Events wait for a moment while its state is written.",
    verb: "Take it",
    act: () => post("/api/savepoints/take", { job: item.name }),
  });
  if (done) tell(`taken: ${done.savepoint}`);
  refresh();
}

async function restore(item, point) {
  const done = await confirmed({
    title: `Restore the ${item.name} job?`,
    text: `The job ends without a savepoint and goes on from ${point.name}, reading Kafka again from there. Counters and labels are absolute, so Redis is right afterwards; readers may see labels twice. First it is checked that this release can restore it.`,
    verb: "Restore",
    act: () => post("/api/savepoints/restore", { job: item.name, savepoint: point.path }),
  });
  if (done) tell(item.own_cluster ? `The ${item.name} job ends and goes on from ${point.name} when it is started again` : `restored as ${done.job}`);
  refresh();
}
