/** One turn as its reader sees it: connect, read, come back, until it has ended. No DOM. */

import { isPassing, isStream, parsed, percentDecoded, readProblem, settled, toldProblem } from "./answers.js";
import { Ledger } from "./ledger.js";
import { Patience } from "./patience.js";
import { Requests } from "./requests.js";
import { FrameParser } from "./sse.js";

/** The events that end a stream; exactly one of them comes, and nothing after it. */
export const TERMINAL = new Set(["end", "error", "interrupted", "awaiting_input"]);

const DEFAULTS = {
  base: "",
  headers: {},
  token: null,
  states: true,
  maxTries: 10,
  maxDelayMs: 30_000,
  retryMs: 1_000,
  // The service breaks silence every 10 s. A connection that is quiet for so long is dead, although
  // neither side's TCP has noticed.
  silenceMs: 45_000,
};

const CUT = Symbol("cut on purpose");

// Said in the middle of a stream, when the credential with which it was asked for has ended.
const EXPIRED = "credential_expired";

// What the service says before it sends a reader away, and whether that is a try in vain.
const PARTING = new Map([
  ["draining", false],
  ["rotated", false],
  ["busy", true],
]);

/** See `client.js`, which makes turns. */
export class Turn {
  requestId;
  reconnections = 0;
  ticket = null;
  #options;
  #requests;
  #patience;
  #ledger = new Ledger();
  #terminal = null;
  #opened = false;
  #finished = false;
  #stopping = false;
  #abort = new AbortController();
  // Why the connection ended, and how long the service wants to be left alone.
  #reason = null;
  #pauseMs = 0;
  // The refusal of the credential, null while it is taken.
  #unauthorized = null;

  /** @param {{requestId?: string, body?: object, route?: string, idempotencyKey?: string}} start */
  constructor({ requestId = null, body, route = "", idempotencyKey = null }, options = {}) {
    this.requestId = requestId;
    this.idempotencyKey = idempotencyKey;
    this.#options = { ...DEFAULTS, ...options };
    this.#requests = new Requests({ route, body, idempotencyKey }, this.#options);
    this.#patience = new Patience(this.#options);
  }

  /** The number of the newest event seen, 0 before the first. */
  get lastId() {
    return this.#ledger.lastId;
  }

  /** How many events were seen, and which numbers are missing between them. */
  get soFar() {
    const { events, gaps, doubled } = this.#ledger;
    return { events, gaps, doubled };
  }

  async *[Symbol.asyncIterator]() {
    try {
      while (!this.#finished) {
        yield* this.#connect();
        if (!this.#finished) yield* this.#waitForNextTry();
      }
    } finally {
      // A reader may break out of its loop, which must not leave a connection behind.
      this.#abort.abort();
    }
    const proof = this.#ledger.prove(this.#terminal?.data ?? null);
    yield { kind: "proof", proof, terminal: this.#terminal?.event ?? null };
  }

  /** Drops the connection on purpose; the turn goes on and is resumed after the usual delay. */
  cut() {
    this.#abort.abort(CUT);
  }

  /** Tries again at once, also after `gave_up`. */
  retry() {
    this.#patience.wake();
  }

  /** Stops reading for good; the turn itself goes on. */
  leave() {
    this.#finished = true;
    this.#abort.abort();
    this.#patience.wake();
  }

  /**
   * Asks the service to stop the turn; the stream then ends with its own terminal event.
   * @returns {Promise<{ok: boolean, message: string}>}
   */
  async stop() {
    this.#stopping = true;
    if (this.requestId === null) {
      this.#patience.wake();
      return { ok: true, message: "Stopping as soon as the turn has a number." };
    }
    const told = await this.#requests.interrupt(this.requestId);
    this.#patience.wake();
    return told;
  }

  async *#connect() {
    this.#abort = new AbortController();
    this.#reason = null;
    this.#pauseMs = 0;
    this.#unauthorized = null;
    const resuming = this.requestId !== null;
    const request = await this.#requests.next(this.requestId, this.lastId, this.#abort.signal);
    const answer = request === null ? null : await this.#heard(fetch(request));
    if (answer === null) return;
    yield this.#openNotice(request, answer, resuming);
    if (answer.status === 204) this.#finished = true;
    else if (answer.ok && isStream(answer)) yield* this.#read(answer.body.getReader());
    else yield* this.#refuse(answer, resuming);
    if (this.#unauthorized !== null && !this.#finished) yield* this.#renew(this.#unauthorized);
  }

  /** What the service says next, null when it is lost; it must not be waited for without end. */
  async #heard(promise) {
    const abort = this.#abort;
    const watch = setTimeout(() => abort.abort(), this.#options.silenceMs);
    const said = await settled(promise);
    clearTimeout(watch);
    return said;
  }

  #openNotice({ method, url }, answer, resuming) {
    if (answer.ok) this.#know(answer.headers.get("X-Request-Id"));
    this.ticket = answer.headers.get("X-Stream-Ticket") ?? this.ticket;
    // Only a second stream of the same turn is a reconnection.
    if (this.#opened && resuming && answer.ok) this.reconnections += 1;
    this.#opened ||= answer.ok;
    const { pathname, search } = new URL(url);
    return {
      kind: "open",
      method,
      path: pathname + search,
      status: answer.status,
      resumedAfter: resuming ? this.lastId : null,
      replayed: answer.headers.get("Idempotent-Replayed") === "true",
      recording: percentDecoded(answer.headers.get("X-Turnstile-Recording")),
    };
  }

  #know(requestId) {
    if (this.requestId !== null || !requestId) return;
    this.requestId = requestId;
    if (this.#stopping) settled(this.stop());
  }

  async *#read(reader) {
    const parser = new FrameParser();
    const signal = this.#abort.signal;
    while (!signal.aborted) {
      const piece = await this.#heard(reader.read());
      if (piece === null || piece.done) return;
      const frames = parser.feed(piece.value);
      this.#hear(parser);
      for (const frame of frames) {
        yield { kind: "frame", raw: frame.raw };
        yield* this.#take(frame);
        // What a cut left unread in this piece comes again with the resume.
        if (this.#finished || signal.aborted) return;
      }
    }
  }

  #hear({ retryMs, comment, heartbeats }) {
    if (retryMs !== null) this.#patience.retryMs = retryMs;
    this.#reason = PARTING.has(comment) ? comment : null;
    // However quiet the turn is: a service that answers so is not tried in vain.
    if (heartbeats > 0 || PARTING.get(comment) === false) this.#patience.attempts = 0;
  }

  *#take({ data: payload, id: stated, fields }) {
    if (payload === null) return;
    const id = /^[0-9]+$/.test(stated ?? "") ? Number(stated) : null;
    const { lastId } = this;
    if (id !== null && !this.#ledger.admit(id, payload)) return;
    if (id !== null) this.#patience.attempts = 0;
    if (id > lastId + 1) yield { kind: "gap", from: lastId + 1, to: id - 1 };
    const envelope = parsed(payload);
    if (envelope === null) yield { kind: "unreadable", id, payload };
    else if (id === null) yield* this.#beside(envelope);
    else yield this.#event(id, payload, envelope, fields.get("state"));
  }

  /** What is no event of the turn; a gap in it is seen by the number of the next event. */
  *#beside({ event, data }) {
    const { lastId } = this;
    if (event === "unavailable") yield this.#unavailable(data ?? {});
    else if (data?.from === lastId + 1 && data.to <= lastId) {
      this.#ledger.withdraw(data.to);
      yield { kind: "withdrawn", from: data.to, to: lastId };
    }
  }

  #unavailable({ code, response }) {
    if (code === EXPIRED) this.#unauthorized = toldProblem({ code, response });
    return { kind: "unavailable", code, response };
  }

  #event(id, payload, { event, data, available_quotas: quotas = null }, state) {
    // Pages of another origin may not see the header that has told it before.
    if (event === "start") this.#know(data.request_id);
    if (TERMINAL.has(event)) {
      this.#terminal = { event, data };
      this.#finished = true;
    }
    const states = state?.split(/\s+/).filter(Boolean) ?? [];
    return { kind: "event", id, event, data: data ?? {}, payload, states, quotas };
  }

  async *#refuse(answer, resuming) {
    const problem = await readProblem(answer);
    if (answer.status === 401) {
      this.#unauthorized = problem;
      return;
    }
    const pauseMs = (problem.retry_after_s ?? 0) * 1_000;
    if (isPassing(answer.status, problem.code, resuming) && pauseMs <= this.#options.maxDelayMs) {
      this.#reason = problem.code;
      this.#pauseMs = pauseMs;
      return;
    }
    this.#finished = true;
    yield { kind: "refused", status: answer.status, ...problem };
  }

  /** Lets the turn go on with another credential, when there is one. */
  async *#renew(problem) {
    const renewal = this.#requests.renew(problem.code);
    let renewed;
    // It may wait for a person; whoever leaves or stops the turn meanwhile wakes it.
    do renewed = await Promise.race([renewal, this.#patience.sleep(null)]);
    while (renewed === undefined && !this.#isOver());
    this.#reason = problem.code;
    if (renewed !== false) return;
    this.#finished = true;
    yield { kind: "refused", status: 401, ...problem };
  }

  async *#waitForNextTry() {
    if (this.#isOver()) return;
    const patience = this.#patience;
    const attempt = (patience.attempts += 1);
    const { maxTries } = this.#options;
    const after = this.lastId;
    if (attempt > maxTries) {
      patience.attempts = 0;
      yield { kind: "gave_up", after };
      await this.#sleep(null);
    } else {
      const delayMs = patience.delayMs(this.#pauseMs);
      const reason = this.#abort.signal.reason === CUT ? "cut" : this.#reason;
      yield { kind: "lost", reason, after, delayMs, attempt, maxTries };
      await this.#sleep(delayMs);
    }
  }

  async #sleep(delayMs) {
    // It may have been left or stopped while the notice was read.
    if (!this.#isOver()) await this.#patience.sleep(delayMs);
    this.#isOver();
  }

  /** Whoever has stopped a question that nobody has heard does not want it to be asked again. */
  #isOver() {
    this.#finished ||= this.#stopping && this.requestId === null;
    return this.#finished;
  }
}
