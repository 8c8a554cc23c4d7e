/** The panel in which somebody gives an API key or a token. */

import { spanWord } from "./times.js";

const byId = (id) => document.getElementById(id);

const REASONS = {
  __proto__: null,
  credential_missing: "This service needs to know who you are.",
  credential_invalid: "The service does not take your API key or token any more.",
  credential_expired: "Your API key or token has ended. Sign in again to go on: nothing is lost.",
};

/** Takes the place of the composer until somebody has signed in. */
export class SignIn {
  #form = byId("sign-in");
  #field = byId("credential");
  #submit = byId("sign-in-submit");
  #problem = byId("sign-in-problem");
  #trying = false;

  /** @param {(stated: string) => Promise<?object>} enter returns why it was not taken, or null */
  constructor(enter) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#try(enter);
    });
  }

  get open() {
    return !this.#form.hidden;
  }

  /** Asks for a credential, and says why. */
  show({ code }) {
    byId("sign-in-why").textContent = REASONS[code] ?? REASONS.credential_missing;
    if (this.open) return;
    this.#problem.textContent = "";
    this.#form.hidden = false;
    byId("composer").hidden = true;
    this.#field.focus({ preventScroll: true });
  }

  hide() {
    if (!this.open) return;
    this.#form.hidden = true;
    byId("composer").hidden = false;
    byId("query").focus({ preventScroll: true });
  }

  async #try(enter) {
    if (this.#trying || this.#field.value.trim() === "") return;
    this.#trying = true;
    this.#submit.disabled = true;
    this.#problem.textContent = "";
    const problem = await enter(this.#field.value);
    this.#trying = false;
    this.#submit.disabled = false;
    if (problem === null) this.#field.value = "";
    else this.#refuse(problem);
  }

  #refuse({ response, retry_after_s: wait }) {
    const later = wait ? ` Try again in ${spanWord(wait)}.` : "";
    this.#problem.textContent = response + later;
    this.#field.select();
  }
}
