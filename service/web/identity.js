/** Who uses the page: the credential of this tab, and for whom the service takes it. */

import { callWith } from "./api.js";

const KEY = "turnstile.credential";
const ROUTE = "/v1/authorized";
// What a header can hold; anything else was not copied well.
const CREDENTIAL = /^[\x21-\x7e]+$/;

const UNREADABLE = {
  code: "credential_invalid",
  response: "This is no API key and no token: it has spaces or letters that none has.",
};

/** Keeps the credential in this tab alone, and forgets it with the tab. */
export class Identity {
  #user = null;
  #name = null;
  #roles = [];
  // Null while the service has not told: what may not be done is refused by the service anyway.
  #actions = null;

  /** The API key or the token, null when there is none. */
  get credential() {
    return sessionStorage.getItem(KEY);
  }

  /** For whom the service takes the user, null while it has not told. */
  get user() {
    return this.#user;
  }

  /** Who has signed in, null where nobody has; `user` and `name` are null as long as `user` is. */
  get person() {
    if (this.credential === null) return null;
    return { user: this.#user, name: this.#name || this.#user, roles: this.#roles };
  }

  may(action) {
    return this.#actions === null || this.#actions.has(action);
  }

  /** Asks the service who this is; returns why it does not say so, null when it does. */
  async load(api) {
    const { data, problem } = await api.call("POST", ROUTE);
    this.#know(data);
    return problem;
  }

  /**
   * Takes another credential, when the service takes it.
   * @returns {Promise<{problem: ?object, taken: boolean, changed: boolean}>} `taken`: it is kept,
   *   also when the service does not say whose it is; `changed`: it is somebody else's
   */
  async signIn(stated) {
    const credential = stated.trim().replace(/^bearer\s+/i, "");
    if (!CREDENTIAL.test(credential)) return { problem: UNREADABLE, taken: false, changed: false };
    const { data, problem } = await callWith(credential, "POST", ROUTE);
    // Who may not ask who they are is somebody nevertheless.
    const taken = problem === null || problem.status === 403;
    if (!taken) return { problem, taken, changed: false };
    const before = this.#user;
    sessionStorage.setItem(KEY, credential);
    this.#know(data);
    return { problem, taken, changed: before === null || before !== this.#user };
  }

  signOut() {
    sessionStorage.removeItem(KEY);
    this.#know(null);
  }

  #know(told) {
    this.#user = told?.user_id ?? null;
    this.#name = told?.username ?? null;
    this.#roles = told?.roles ?? [];
    this.#actions = Array.isArray(told?.actions) ? new Set(told.actions) : null;
  }
}
