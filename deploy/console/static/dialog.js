// Asks before something is done. The dialog is the browser's own: focus, Escape and Tab work.

import { el } from "./dom.js";

/** Ask; with a `reason` label also for a reason. Then `act(reason)`; its fault is shown and the
 *  dialog stays. Resolves to what was done, or null. */
export function confirmed({ title, text, reason, verb, act }) {
  return new Promise((resolve) => {
    const input = reason && el("input", { id: "reason", name: "reason", required: true, maxlength: 300, autocomplete: "off" });
    const fault = el("p", { class: "banner bad", role: "alert", hidden: true });
    const go = el("button", { type: "submit", class: "primary" }, verb);
    const cancel = el("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const form = el(
      "form",
      { method: "dialog", onsubmit: submit },
      el("h2", { id: "dialog-title" }, title),
      el("p", {}, text),
      input && el("label", { for: "reason" }, reason),
      input,
      fault,
      el("p", { class: "buttons" }, cancel, go),
    );
    const dialog = el("dialog", { "aria-labelledby": "dialog-title", onclose: ended }, form);
    let outcome = null;

    async function submit(event) {
      event.preventDefault();
      go.disabled = cancel.disabled = true;
      go.textContent = `${verb} …`;
      const answer = await act(input ? input.value.trim() : "");
      go.disabled = cancel.disabled = false;
      go.textContent = verb;
      if (answer.fault) {
        fault.textContent = answer.fault;
        fault.hidden = false;
        return;
      }
      outcome = answer;
      dialog.close();
    }

    function ended() {
      dialog.remove();
      resolve(outcome);
    }

    document.body.append(dialog);
    dialog.showModal();
    input?.focus();
  });
}

/** Tell what was done, for some seconds. */
export function tell(text) {
  document.querySelector(".toast")?.remove();
  const toast = el("p", { class: "toast", role: "status" }, text);
  document.body.append(toast);
  setTimeout(() => toast.remove(), 8000);
}
