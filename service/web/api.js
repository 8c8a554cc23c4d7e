/** Calls those routes of the service that answer in JSON. No DOM. */

import { readProblem, settled } from "./answers.js";

const TIMEOUT_MS = 20_000;

const UNREACHABLE = {
  status: 0,
  code: "unreachable",
  response: "The service does not answer.",
  cause: "",
  retry_after_s: null,
};

/**
 * @typedef {object} Told
 * @property {?object} data what was answered, null when it was refused
 * @property {?object} problem why it was refused: `status`, `code`, `response`, `cause`,
 *   `retry_after_s`; null when it was not
 */

/** Sends the credential with each call, and reports when that is not taken. */
export class Api {
  #credential;
  #refused;
  // Counts who uses the page, one after the other.
  #visit = 0;

  /**
   * @param {() => ?string} credential
   * @param {(problem: object) => void} refused is told of every answer with status 401
   */
  constructor(credential, refused) {
    this.#credential = credential;
    this.#refused = refused;
  }

  /** See `call`. */
  get(path) {
    return this.call("GET", path);
  }

  /** Whoever uses the page leaves it: what is still on its way for them is for nobody else. */
  leave() {
    this.#visit += 1;
  }

  /** @returns {Promise<Told>} it is never rejected, nor resolved once whoever has called has left */
  async call(method, path, body) {
    const visit = this.#visit;
    const credential = this.#credential();
    const told = await callWith(credential, method, path, body);
    if (visit !== this.#visit) return new Promise(() => {});
    // Another credential of the same user is not refused with this one.
    if (told.problem?.status === 401 && credential === this.#credential()) this.#refused(told.problem);
    return told;
  }
}

/** Calls a route with this credential, null for none; see `Api.call`. */
export async function callWith(credential, method, path, body) {
  const headers = { Accept: "application/json" };
  if (credential !== null) headers.Authorization = `Bearer ${credential}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const request = { method, headers, body: JSON.stringify(body), signal, cache: "no-store" };
  const answer = await settled(fetch(path, request));
  if (answer === null) return { data: null, problem: UNREACHABLE };
  if (!answer.ok) return { data: null, problem: { status: answer.status, ...(await readProblem(answer)) } };
  const data = await settled(answer.json());
  return data === null ? { data, problem: UNREACHABLE } : { data, problem: null };
}
