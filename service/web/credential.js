/** The credential of a caller, which is sent with every request. No DOM. */

/**
 * @callback TokenSource
 * @param {{refused: ?string}} why the code with which the service has refused the last token, null
 *   when nothing is wrong with it
 * @returns {?string|Promise<?string>} null for none
 */

/** Knows which token comes next, and whether there is another one for one that was refused. */
export class Credential {
  #source;
  #last = null;

  /** @param {?string|TokenSource} [token] */
  constructor(token = null) {
    this.#source = token;
  }

  /**
   * The token of the next request.
   * @returns {Promise<{token: ?string}|null>} null when it cannot be had for now
   */
  async next() {
    const found = await this.#ask(null);
    if (found !== null) this.#last = found.token;
    return found;
  }

  /**
   * Asks for another token, as the last one was refused with this code.
   * @returns {Promise<boolean>} whether it is worth to try again
   */
  async renew(code) {
    if (typeof this.#source !== "function") return false;
    const found = await this.#ask(code);
    // What keeps it from being had may pass, but the same token would be refused again.
    return found === null || (found.token !== null && found.token !== this.#last);
  }

  async #ask(refused) {
    if (typeof this.#source !== "function") return { token: this.#source };
    try {
      return { token: (await this.#source({ refused })) ?? null };
    } catch {
      return null;
    }
  }
}
