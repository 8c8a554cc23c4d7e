/** What a turn asks of the service. No DOM. */

import { settled } from "./answers.js";
import { Credential } from "./credential.js";

const STOP_TIMEOUT_MS = 15_000;

/** Makes requests, each with the headers and the token that count by then. */
export class Requests {
  #start;
  #options;
  #credential;

  /** @param {{route: string, body?: object, idempotencyKey: ?string}} start what makes the turn */
  constructor({ route, body, idempotencyKey }, options) {
    // Said in the same bytes each time: another body under the same key would be refused.
    this.#start = { route, body: JSON.stringify(body), idempotencyKey };
    this.#options = options;
    this.#credential = new Credential(options.token);
  }

  /**
   * The request that follows a turn after an event, or that starts it while it has no number.
   * @returns {Promise<?Request>} null while there is no token to be had
   */
  async next(requestId, after, signal) {
    if (requestId !== null) {
      const further = { "Last-Event-ID": after > 0 ? String(after) : null };
      return this.#stream(`/${encodeURIComponent(requestId)}`, { signal }, further);
    }
    const { route, body, idempotencyKey } = this.#start;
    const further = { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey };
    return this.#stream(route, { method: "POST", body, signal }, further);
  }

  /** Stops a turn. */
  async interrupt(requestId) {
    const headers = await this.#headers({});
    if (headers === null) return { ok: false, message: "" };
    const signal = AbortSignal.timeout(STOP_TIMEOUT_MS);
    const url = this.#url(`/${encodeURIComponent(requestId)}/interrupt`);
    const answer = await settled(fetch(url, { method: "POST", headers, signal }));
    const body = answer === null ? null : await settled(answer.json());
    const message = String(body?.message ?? body?.detail?.response ?? "");
    return { ok: answer?.ok ?? false, message };
  }

  /** See `Credential.renew`. */
  renew(code) {
    return this.#credential.renew(code);
  }

  async #stream(path, request, further) {
    const headers = await this.#headers({ Accept: "text/event-stream", ...further });
    const query = this.#options.states ? "?states=1" : "";
    return headers && new Request(this.#url(path) + query, { ...request, headers, cache: "no-store" });
  }

  #url(path) {
    return `${this.#options.base}/v1/streaming_query${path}`;
  }

  async #headers(further) {
    const { headers } = this.#options;
    const given = new Headers(typeof headers === "function" ? await headers() : headers);
    const found = await this.#credential.next();
    if (found === null) return null;
    const { token } = found;
    const own = { Authorization: token === null ? null : `Bearer ${token}`, ...further };
    for (const [name, value] of Object.entries(own)) if (value !== null) given.set(name, value);
    return given;
  }
}
