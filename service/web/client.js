/**
 * A client of Turnstile's native dialect: ask, follow, answer, resume, stop, prove. No DOM.
 *
 *     const turn = ask({ query: "What is a pod?" });
 *     for await (const notice of turn) {
 *       if (notice.kind === "event" && notice.event === "token") write(notice.data.token);
 *       if (notice.kind === "proof") console.log(notice.proof.whole);
 *     }
 *
 * A turn is one iteration over notices. A lost connection is resumed inside of it: the reader sees
 * a `lost` and an `open` notice, and the events go on where they stopped.
 *
 * | kind       | properties                                           | when                        |
 * | open       | status, method, path, resumedAfter, recording        | the service answers         |
 * | frame      | raw                                                  | each block on the wire      |
 * | event      | id, event, data, states                              | each new event              |
 * | gap        | from, to (both lost)                                 | the service lost events     |
 * | unreadable | id, payload                                          | an event is not JSON        |
 * | lost       | after, delayMs, attempt, maxTries, deliberate        | the connection is gone      |
 * | gave_up    | after                                                | until `retry()` is called   |
 * | refused    | status, code, response, cause, retry_after_s         | an HTTP error; before proof |
 * | proof      | proof, terminal                                      | the last one                |
 */

import { isStream, parsed, percentDecoded, readProblem, retryAfterS, settled } from "./answers.js";
import { Ledger } from "./ledger.js";
import { Patience } from "./patience.js";
import { FrameParser } from "./sse.js";

/** The events that end a stream; exactly one of them comes, and nothing after it. */
export const TERMINAL = new Set(["end", "error", "interrupted", "awaiting_input"]);

const DEFAULTS = {
  base: "",
  states: true,
  maxTries: 10,
  maxDelayMs: 30_000,
  // Used until the service says `retry:`.
  retryMs: 1_000,
  // The service breaks silence every 10 s. A connection that is quiet for so long is dead, although
  // neither side's TCP has noticed.
  silenceMs: 45_000,
};

const CUT = Symbol("cut on purpose");

// Answers to a resume that another try may cure.
const PASSING_STATUS = new Set([429, 500, 502, 503, 504]);

/**
 * Starts a turn when the returned turn is iterated.
 * @param {object} body the request body (protocol, section 5), at least `query`
 * @param {Partial<typeof DEFAULTS>} [options]
 */
export function ask(body, options) {
  return new Turn({ body, opening: "" }, options);
}

/** Follows a turn that was started elsewhere, from its first event. */
export function follow(requestId, options) {
  return new Turn({ requestId }, options);
}

/**
 * Answers the calls of a turn that ended in `awaiting_input`; it goes on in a stream of its own.
 * @param {string} requestId of the stream that ended so
 * @param {{tool_results: object[]}|{approvals: object[]}} answers one for each call
 */
export function answer(requestId, answers, options) {
  const opening = `/${encodeURIComponent(requestId)}/tool_results`;
  // The same answers again lead to the same stream, so a try too many does no harm.
  return new Turn({ body: answers, opening, repeatable: true }, options);
}

class Turn {
  requestId;
  reconnections = 0;
  #body;
  #opening;
  #repeatable;
  #options;
  #patience;
  #ledger = new Ledger();
  #terminal = null;
  #opened = false;
  #finished = false;
  #stopping = false;
  #abort = new AbortController();

  constructor({ requestId = null, body, opening, repeatable = false }, options = {}) {
    this.requestId = requestId;
    this.#body = body;
    this.#opening = opening;
    this.#repeatable = repeatable;
    this.#options = { ...DEFAULTS, ...options };
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
    const proof = await this.#ledger.prove(this.#terminal?.data ?? null);
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
    const answer = await settled(fetch(`${this.#path()}/interrupt`, { method: "POST" }));
    const body = answer === null ? null : await settled(answer.json());
    this.#patience.wake();
    const message = String(body?.message ?? body?.detail?.response ?? "");
    return { ok: answer?.ok ?? false, message };
  }

  #path() {
    const root = `${this.#options.base}/v1/streaming_query`;
    if (this.requestId === null) return root + this.#opening;
    return `${root}/${encodeURIComponent(this.requestId)}`;
  }

  async *#connect() {
    this.#abort = new AbortController();
    const request = this.#request();
    const resuming = this.requestId !== null;
    const answer = await settled(fetch(request));
    if (answer === null) return;
    yield this.#openNotice(request, answer, resuming);
    if (answer.status === 204) this.#finished = true;
    else if (answer.ok && isStream(answer)) yield* this.#read(answer.body.getReader());
    else yield* this.#refuse(answer, resuming);
  }

  #request() {
    const query = this.#options.states ? "?states=1" : "";
    const headers = { Accept: "text/event-stream" };
    const common = { headers, signal: this.#abort.signal, cache: "no-store" };
    if (this.requestId !== null) {
      if (this.lastId > 0) headers["Last-Event-ID"] = String(this.lastId);
      return new Request(`${this.#path()}${query}`, common);
    }
    headers["Content-Type"] = "application/json";
    const body = JSON.stringify(this.#body);
    return new Request(`${this.#path()}${query}`, { ...common, method: "POST", body });
  }

  #openNotice({ method, url }, answer, resuming) {
    this.requestId ??= answer.ok ? answer.headers.get("X-Request-Id") : null;
    // Only a second stream of the same turn is a reconnection.
    if (this.#opened && resuming && answer.ok) this.reconnections += 1;
    this.#opened ||= answer.ok;
    if (this.#stopping && !resuming) this.stop();
    const { pathname, search } = new URL(url);
    return {
      kind: "open",
      method,
      path: pathname + search,
      status: answer.status,
      resumedAfter: resuming ? this.lastId : null,
      recording: percentDecoded(answer.headers.get("X-Turnstile-Recording")),
    };
  }

  async *#read(reader) {
    const parser = new FrameParser();
    const signal = this.#abort.signal;
    while (!signal.aborted) {
      const piece = await this.#readPiece(reader);
      if (piece === null || piece.done) return;
      for (const frame of parser.feed(piece.value)) {
        yield { kind: "frame", raw: frame.raw };
        yield* this.#take(frame);
        // What a cut left unread in this piece comes again with the resume.
        if (this.#finished || signal.aborted) return;
      }
    }
  }

  async #readPiece(reader) {
    const abort = this.#abort;
    const watch = setTimeout(() => abort.abort(), this.#options.silenceMs);
    const piece = await settled(reader.read());
    clearTimeout(watch);
    return piece;
  }

  *#take(frame) {
    if (frame.retry !== null) this.#patience.retryMs = frame.retry;
    if (frame.data === null) return;
    const id = /^[0-9]+$/.test(frame.id ?? "") ? Number(frame.id) : null;
    if (id !== null && !this.#ledger.admit(id, frame.data)) return;
    if (id !== null) this.#patience.attempts = 0;
    const envelope = parsed(frame.data);
    if (envelope === null) yield { kind: "unreadable", id, payload: frame.data };
    else yield* this.#tell(id, envelope, frame.fields.get("state"));
  }

  *#tell(id, { event, data }, state) {
    if (event === "gap") {
      // The events go on with `to`, so the last one that is lost is the one before it.
      yield { kind: "gap", from: data?.from, to: data?.to - 1 };
      return;
    }
    if (event === "start") this.requestId ??= data.request_id;
    if (TERMINAL.has(event)) {
      this.#terminal = { event, data };
      this.#finished = true;
    }
    const states = state?.split(/\s+/).filter(Boolean) ?? [];
    yield { kind: "event", id, event, data: data ?? {}, states };
  }

  async *#refuse(answer, resuming) {
    if (resuming && PASSING_STATUS.has(answer.status)) {
      const seconds = retryAfterS(answer);
      if (seconds !== null) this.#patience.retryMs = seconds * 1_000;
      await settled(answer.body?.cancel());
      return;
    }
    this.#finished = true;
    yield { kind: "refused", status: answer.status, ...(await readProblem(answer)) };
  }

  async *#waitForNextTry() {
    const deliberate = this.#abort.signal.reason === CUT;
    if (this.#stopping && this.requestId === null) {
      this.#finished = true;
      return;
    }
    const patience = this.#patience;
    const attempt = (patience.attempts += 1);
    // A question whose answer got lost may have started a turn: only a person asks it again.
    const known = this.requestId !== null || this.#repeatable;
    const { maxTries } = this.#options;
    if (attempt > maxTries || !known) {
      patience.attempts = 0;
      yield { kind: "gave_up", after: this.lastId };
      await this.#sleep(null);
      // Whoever has stopped it instead does not want it to be asked again.
      this.#finished ||= this.#stopping && this.requestId === null;
      return;
    }
    const delayMs = deliberate ? patience.retryMs : patience.backoffMs();
    yield { kind: "lost", after: this.lastId, delayMs, attempt, maxTries, deliberate };
    await this.#sleep(delayMs);
  }

  async #sleep(delayMs) {
    // It may have been left while the notice was read.
    if (!this.#finished) await this.#patience.sleep(delayMs);
  }
}
