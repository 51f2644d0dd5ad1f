// Asks the console's own endpoints. A fault is a value: what it says is shown, and asked again.

/** The values of an endpoint, or {fault}. */
export async function get(path) {
  try {
    return await (await fetch(path, { headers: { accept: "application/json" } })).json();
  } catch {
    return { fault: "the console itself does not answer" };
  }
}

/** Do something; {fault} says why it was not done. */
export async function post(path, body) {
  const csrf = document.querySelector("meta[name=csrf]").content;
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": csrf },
      body: JSON.stringify(body),
    });
    return await answer.json();
  } catch {
    return { fault: "the console itself does not answer" };
  }
}

/** Whether somebody is logged in. */
export function isOperator() {
  return document.querySelector("meta[name=csrf]").content !== "";
}

/** Show now and every so often, one after the other; not while the page is hidden. Returns a
 *  function that shows at once. */
export function repeat(show, everySeconds) {
  let timer;
  const step = async () => {
    clearTimeout(timer);
    if (!document.hidden) await show();
    timer = setTimeout(step, 1000 * everySeconds);
  };
  document.addEventListener("visibilitychange", () => document.hidden || step());
  step();
  return step;
}
