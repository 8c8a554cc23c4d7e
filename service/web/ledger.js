/**
 * The reader's own record of a stream, and the proof that it is complete (protocol, section 3,
 * law 4). No DOM.
 */

import { sha256 } from "./sha256.js";

/**
 * @typedef {object} Proof
 * @property {number} events how many different events were seen
 * @property {Array<{from: number, to: number}>} gaps the numbers that never came, both ends included
 * @property {number} doubled how many events came twice; the second one was dropped
 * @property {number} withdrawn how many events were seen that the service has lost
 * @property {boolean} terminated whether a terminal event was seen
 * @property {boolean} countMatches whether the terminal event's `count` is `events`
 * @property {"verified"|"different"|"unchecked"} digest "unchecked" without a terminal event, and
 *   with a gap
 * @property {boolean} whole whether the reader has seen all of the stream, and nothing else
 */

/** Counts events, finds gaps and doubles, and keeps what the digest is taken over. */
export class Ledger {
  doubled = 0;
  withdrawn = 0;
  gaps = [];
  #lastId = 0;
  #kept = [];

  /** The number of the newest event, 0 before the first. */
  get lastId() {
    return this.#lastId;
  }

  get events() {
    return this.#kept.length;
  }

  /** Records an event and tells whether it is new. */
  admit(id, payload) {
    if (id <= this.#lastId) {
      this.doubled += 1;
      return false;
    }
    if (id > this.#lastId + 1) this.gaps.push({ from: this.#lastId + 1, to: id - 1 });
    this.#lastId = id;
    this.#kept.push({ id, payload });
    return true;
  }

  /** Strikes out the events from a number on: the stream goes on there, with other ones. */
  withdraw(from) {
    while (this.#kept.at(-1)?.id >= from) {
      this.#kept.pop();
      this.withdrawn += 1;
    }
    this.gaps = this.gaps
      .filter((gap) => gap.from < from)
      .map((gap) => ({ from: gap.from, to: Math.min(gap.to, from - 1) }));
    this.#lastId = from - 1;
  }

  /**
   * Holds the record against what the terminal event says.
   * @param {?{count?: number, digest?: string}} terminal its data, null when none was seen
   * @returns {Proof}
   */
  prove(terminal) {
    const { events, gaps, doubled, withdrawn } = this;
    const countMatches = terminal?.count === events;
    const digest = this.#compare(terminal);
    const whole = countMatches && digest === "verified" && withdrawn === 0;
    return { events, gaps, doubled, withdrawn, terminated: terminal !== null, countMatches, digest, whole };
  }

  #compare(terminal) {
    if (!terminal || this.gaps.length > 0) return "unchecked";
    const before = this.#kept.slice(0, -1).map(({ payload }) => `${payload}\n`);
    const bytes = new TextEncoder().encode(before.join(""));
    return sha256(bytes) === terminal.digest ? "verified" : "different";
  }
}

/** Says a proof in one line, such as "187 events, no gap, digest verified ✓, 1 reconnection". */
export function proofLine(proof, reconnections) {
  return [
    counted(proof.events, "event"),
    gapPhrase(proof),
    ...(proof.withdrawn > 0 ? [`${proof.withdrawn} withdrawn ✗`] : []),
    ...(proof.terminated && !proof.countMatches ? ["count differs from the server's ✗"] : []),
    digestPhrase(proof),
    counted(reconnections, "reconnection"),
  ].join(", ");
}

/** Says whether numbers are missing, such as "no gap" or "2 events lost ✗". */
export function gapPhrase({ gaps, doubled }) {
  const lost = gaps.reduce((sum, gap) => sum + gap.to - gap.from + 1, 0);
  const repeated = doubled > 0 ? `, ${counted(doubled, "repeat")} dropped` : "";
  return (lost > 0 ? `${counted(lost, "event")} lost ✗` : "no gap") + repeated;
}

function digestPhrase({ digest, terminated }) {
  if (digest === "verified") return "digest verified ✓";
  if (digest === "different") return "digest differs ✗";
  return terminated ? "digest cannot be checked" : "no terminal event";
}

/** A number with its noun, such as "1 event" or "2 events". */
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
