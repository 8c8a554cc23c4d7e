/** Asks before something is done that cannot be undone. */

import { element } from "./elements.js";

const WORDS = {
  __proto__: null,
  conversation_busy: "An answer is still running in this conversation. Stop it, or wait for its end.",
};

/**
 * Asks, and does it.
 * @param {() => Promise<?object>} act returns why it could not be done, null when it was
 * @returns {Promise<boolean>} whether it was done
 */
export function confirmed(title, text, verb, act) {
  const problem = element("p", { class: "problem", role: "alert" });
  const cancel = element("button", { type: "button" }, "Cancel");
  const go = element("button", { type: "button", class: "danger" }, verb);
  const dialog = element(
    "dialog",
    { class: "confirmation", "aria-labelledby": "confirmation-title" },
    element("h2", { id: "confirmation-title" }, title),
    element("p", { dir: "auto" }, text),
    problem,
    element("div", { class: "actions" }, cancel, go),
  );
  // Escape shall close nothing else.
  dialog.addEventListener("keydown", (event) => event.stopPropagation());
  let done = false;
  cancel.addEventListener("click", () => dialog.close());
  go.addEventListener("click", async () => {
    go.disabled = true;
    problem.textContent = "";
    const told = await act();
    go.disabled = false;
    done = told === null;
    if (done) dialog.close();
    else problem.textContent = WORDS[told.code] ?? told.response;
  });
  document.body.append(dialog);
  // The focus goes to the first button, which does nothing.
  dialog.showModal();
  return new Promise((resolve) => {
    // Escape closes it as well; the browser gives the focus back to where it was.
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(done);
    });
  });
}
