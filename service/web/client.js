/**
 * A client of Turnstile's native dialect: ask, follow, answer, resume, stop, prove.
 *
 * For browsers and Node 20 or newer; no DOM, no dependency beside its neighbours in this folder.
 *
 *     import { ask } from "/web/client.js";
 *
 *     const turn = ask({ query: "What is a pod?" });
 *     for await (const notice of turn) {
 *       if (notice.kind === "event" && notice.event === "token") write(notice.data.token);
 *       if (notice.kind === "refused") throw new Error(notice.response);
 *       if (notice.kind === "proof") console.log(notice.proof.whole);
 *     }
 *
 * A turn is one iteration over notices, to be made once. It ends after `proof`, or when the reader
 * breaks out of it, which ends the connection and not the turn. Every event comes once, and in
 * order, over however many connections:
 *
 * - A question is asked with an `Idempotency-Key`, and asked again with the same one when no answer
 *   came. So it starts one turn, however often the network loses it.
 * - A lost connection is resumed after the last event, when the service wants it (`retry:`,
 *   `Retry-After`) or later: each wait in vain doubles the next, and up to half is added at random.
 *   A connection without a sign of life counts as lost.
 * - A service that is stopping or full is asked again in the same way. Every other HTTP error is
 *   `refused`, at once.
 * - A credential (`token`) is sent as `Authorization: Bearer` with every request. When it is refused
 *   (401) or ends in the middle of a stream (`unavailable` with the code `credential_expired`), a
 *   `token` that is a function is asked for another one, and the turn goes on with that where it
 *   was. Without another one it is `refused`, with status 401 and the code `credential_missing`,
 *   `credential_invalid` or `credential_expired`.
 * - At the end the events are counted and hashed, and compared with `count` and `digest` of the
 *   terminal event.
 *
 * | kind        | properties                                     | when                              |
 * | ----------- | ---------------------------------------------- | --------------------------------- |
 * | open        | status, method, path, resumedAfter, replayed,  | the service answers               |
 * |             | recording                                      |                                   |
 * | frame       | raw                                            | each block on the wire            |
 * | event       | id, event, data, payload (its JSON), states,   | each new event                    |
 * |             | quotas (`available_quotas` or null)            |                                   |
 * | gap         | from, to (both lost)                           | events that nobody has any more   |
 * | withdrawn   | from, to (both told before)                    | the process that ran the turn     |
 * |             |                                                | died before others had these      |
 * | unreadable  | id, payload                                    | an event is not JSON              |
 * | unavailable | code, response                                 | the turn is out of reach for now  |
 * | lost        | reason, after, delayMs, attempt, maxTries      | it will try again                 |
 * | gave_up     | after                                          | it tries again after `retry()`    |
 * | refused     | status, code, response, cause, retry_after_s,  | an HTTP error; `proof` follows    |
 * |             | request_id (what keeps the conversation busy)  |                                   |
 * | proof       | proof (see `Proof` in ledger.js), terminal     | the last one                      |
 *
 * `reason` is null for a connection that is simply gone, "cut" after `cut()`, what the service said
 * before it closed the body ("draining", "rotated", "busy"), or the code of an error.
 *
 * A turn has `requestId` (null before the service has told it), `lastId`, `soFar`, `reconnections`,
 * `idempotencyKey` and `ticket` (see `eventSourceUrl`), and does `stop()`, `cut()`, `retry()` and
 * `leave()`.
 */

import { Turn } from "./turn.js";

export { proofLine } from "./ledger.js";
export { TERMINAL } from "./turn.js";

/**
 * @typedef {object} Options
 * @property {string} [base] where the service is, such as "https://turnstile.example"; needed
 *   outside of its own pages
 * @property {object|function(): object} [headers] headers for every request; a function is called
 *   for each, and may return a promise
 * @property {string|import("./credential.js").TokenSource} [token] the credential; a function is
 *   called for each request, and once more with `{ refused: code }` when its last token was refused.
 *   It may return a promise, also one that waits for a person; null is no token. When it throws,
 *   the request counts as lost
 * @property {string} [idempotencyKey] of `ask`; a new one is made without. With one that was kept,
 *   a page that was loaded anew joins the turn that it had started
 * @property {boolean} [states] whether events come with the states that the machine went through
 * @property {number} [maxTries] tries in vain, one after another, before it gives up
 * @property {number} [maxDelayMs] the longest wait; a service that asks for more is not asked again
 * @property {number} [retryMs] the first wait, until the service says `retry:`
 * @property {number} [silenceMs] a connection that is quiet for so long is dead
 */

/**
 * Starts a turn when the returned turn is iterated.
 * @param {object} body the request body (protocol, section 5), at least `query`; with
 *   `if_busy: "interrupt"` it stops a turn that still runs in the conversation
 * @param {Options} [options]
 */
export function ask(body, options = {}) {
  return new Turn({ body, idempotencyKey: options.idempotencyKey ?? newKey() }, options);
}

/**
 * Follows a turn that was started elsewhere, from its first event.
 * @param {string} requestId
 * @param {Options} [options]
 */
export function follow(requestId, options) {
  return new Turn({ requestId }, options);
}

/**
 * Answers the calls of a turn that ended in `awaiting_input`; it goes on in a stream of its own.
 *
 * The same answers again lead to the same stream, so they need no key.
 * @param {string} requestId of the stream that ended so
 * @param {{tool_results: object[]}|{approvals: object[]}} answers one for each call
 * @param {Options} [options]
 */
export function answer(requestId, answers, options) {
  return new Turn({ body: answers, route: `/${encodeURIComponent(requestId)}/tool_results` }, options);
}

/**
 * The address of a turn for the browser's own `EventSource`, which cannot send headers.
 *
 * A ticket opens this one stream for some minutes, again and again, so that the browser can resume
 * by itself; no other request takes it. It stands in an address, so do not keep or show that.
 *
 *     const turn = ask({ query: "What is a pod?" }, { token });
 *     for await (const notice of turn) if (turn.ticket !== null) break;
 *     const source = new EventSource(eventSourceUrl(turn.requestId, { ticket: turn.ticket }));
 *
 * @param {string} requestId
 * @param {{ticket?: ?string, base?: string, after?: number}} [where] `ticket` is the header
 *   `X-Stream-Ticket` of the answer to the question, `after` the last event that is known
 */
export function eventSourceUrl(requestId, { ticket = null, base = "", after = 0 } = {}) {
  const query = new URLSearchParams();
  if (after > 0) query.set("last_event_id", String(after));
  if (ticket !== null) query.set("ticket", ticket);
  const asked = String(query);
  const path = `/v1/streaming_query/${encodeURIComponent(requestId)}`;
  return base + path + (asked === "" ? "" : `?${asked}`);
}

/** Not `randomUUID`, which browsers have in a secure context only. */
function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
