// What every page has: live health in the header, theme, log out; and the stream of pictures.

import { post } from "./api.js";
import { SIGNS } from "./dom.js";

const WORDS = { good: "all is well", warn: "look at it", bad: "act", unknown: "waiting" };
const listeners = new Set();
let newest = null;

/** Call with each new picture, and with the newest there is. */
export function onPicture(listener) {
  listeners.add(listener);
  if (newest) listener(newest);
}

function show(picture) {
  newest = picture;
  const pill = document.getElementById("health");
  const wrong = picture.boxes.filter((box) => box.health === "bad" || box.health === "warn");
  pill.className = `pill ${picture.health}`;
  pill.textContent = `${SIGNS[picture.health]} ${wrong.length ? wrong.map((b) => b.title).join(", ") : WORDS[picture.health]}`;
  // Those that ask for something: "info" does not.
  const grave = (picture.alerts ?? []).filter((alert) => alert.state === "firing" && alert.severity !== "info");
  const firing = new Set(grave.map((alert) => alert.name)).size;
  const alerts = document.getElementById("alerts");
  alerts.hidden = !firing;
  alerts.className = "pill bad";
  alerts.textContent = `${firing} alert${firing === 1 ? "" : "s"}`;
  for (const listener of listeners) listener(picture);
}

function live(text, isLive) {
  const mark = document.getElementById("live");
  mark.textContent = text;
  mark.classList.toggle("on", isLive);
}

const stream = new EventSource("/api/stream");
stream.addEventListener("picture", (event) => {
  live("live", true);
  show(JSON.parse(event.data));
});
stream.addEventListener("error", () => live("no contact, trying again", false));
addEventListener("pagehide", () => stream.close());

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  dispatchEvent(new Event("themechange"));
});

document.getElementById("logout")?.addEventListener("click", async () => {
  await post("/logout", {});
  location.reload();
});
