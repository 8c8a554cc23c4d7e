/** Who comes in: signs people in and out, and asks again when a credential is no longer taken. */

import { Account } from "./account.js";
import { Api } from "./api.js";
import { Identity } from "./identity.js";
import { SignIn } from "./sign_in.js";

const AGAIN_S = 5;

const byId = (id) => document.getElementById(id);

/** Knows who uses the page; `api` makes requests on their behalf. */
export class Entry {
  api;
  #identity = new Identity();
  #signIn = new SignIn((stated) => this.#enterAs(stated));
  #account = new Account(() => this.#signOut());
  #told;
  #again = null;
  // Who waits for another credential.
  #waiting = [];

  /**
   * @param {{entered: (problem: ?object) => void, left: () => void}} told `entered` is called with
   *   why the service has not said who this is, `left` before somebody else enters, who must not
   *   see what was there
   */
  constructor(told) {
    this.#told = told;
    this.api = new Api(
      () => this.#identity.credential,
      (problem) => this.#signIn.show(problem),
    );
  }

  /** Whether somebody has signed in. */
  get signedIn() {
    return this.#identity.credential !== null;
  }

  /** For whom the service takes the user, null while it has not told. */
  get user() {
    return this.#identity.user;
  }

  may(action) {
    return this.#identity.may(action);
  }

  /** The credential as the client asks for it; for a new one it waits until somebody signs in. */
  token = ({ refused }) => {
    if (refused === null) return this.#identity.credential;
    this.#signIn.show({ code: refused });
    return new Promise((resolve) => this.#waiting.push(resolve));
  };

  /** Asks the service who this is, and lets them in. */
  async enter() {
    clearTimeout(this.#again);
    // Who has a credential can go before the service has said anything of it.
    this.#account.show(this.#identity.person);
    const problem = await this.#identity.load(this.api);
    if (problem?.status !== 401) this.#letIn(problem);
    document.body.dataset.entered = "yes";
    if (problem !== null && mayPass(problem)) {
      this.#again = setTimeout(() => this.enter(), (problem.retry_after_s ?? AGAIN_S) * 1_000);
    }
  }

  async #enterAs(stated) {
    const { problem, taken, changed } = await this.#identity.signIn(stated);
    if (!taken) return problem;
    if (changed) this.#leave();
    this.#signIn.hide();
    this.#answer(changed ? null : this.#identity.credential);
    this.#letIn(problem);
    return null;
  }

  #letIn(problem) {
    this.#account.show(this.#identity.person);
    byId("new-conversation").hidden = !this.may("streaming_query");
    this.#told.entered(problem);
  }

  #signOut() {
    this.#identity.signOut();
    this.#leave();
    this.#answer(null);
    this.enter();
  }

  #leave() {
    this.api.leave();
    this.#told.left();
  }

  #answer(credential) {
    for (const resolve of this.#waiting.splice(0)) resolve(credential);
  }
}

/** Whether the service may say who somebody is at another time. */
function mayPass({ status }) {
  return status === 0 || status === 429 || status >= 500;
}
