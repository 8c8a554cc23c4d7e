/**
 * The reader's own record of a stream, and the proof that it is complete (protocol, section 3,
 * law 4). No DOM.
 */

/**
 * @typedef {object} Proof
 * @property {number} events how many different events were seen
 * @property {Array<{from: number, to: number}>} gaps the numbers that never came, both ends included
 * @property {number} doubled how many events came twice; the second one was dropped
 * @property {boolean} terminated whether a terminal event was seen
 * @property {boolean} countMatches whether the terminal event's `count` is `events`
 * @property {"verified"|"different"|"unchecked"} digest "unchecked" without a terminal event, with
 *   a gap, or where the browser has no `crypto.subtle` (it wants a secure context)
 * @property {boolean} whole whether nothing speaks against the stream
 */

/** Counts events, finds gaps and doubles, and keeps what the digest is taken over. */
export class Ledger {
  lastId = 0;
  events = 0;
  doubled = 0;
  gaps = [];
  #payloads = [];

  /** Records an event and tells whether it is new. */
  admit(id, payload) {
    if (id <= this.lastId) {
      this.doubled += 1;
      return false;
    }
    if (id > this.lastId + 1) this.gaps.push({ from: this.lastId + 1, to: id - 1 });
    this.lastId = id;
    this.events += 1;
    this.#payloads.push(payload);
    return true;
  }

  /**
   * Holds the record against what the terminal event says.
   * @param {?{count?: number, digest?: string}} terminal its data, null when none was seen
   * @returns {Promise<Proof>}
   */
  async prove(terminal) {
    const countMatches = terminal?.count === this.events;
    const digest = await this.#compare(terminal);
    return {
      events: this.events,
      gaps: this.gaps,
      doubled: this.doubled,
      terminated: terminal !== null,
      countMatches,
      digest,
      whole: countMatches && digest !== "different" && this.gaps.length === 0,
    };
  }

  async #compare(terminal) {
    if (!terminal || this.gaps.length > 0 || !globalThis.crypto?.subtle) return "unchecked";
    const before = this.#payloads.slice(0, -1).map((payload) => `${payload}\n`);
    const bytes = new TextEncoder().encode(before.join(""));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return hex(hash) === terminal.digest ? "verified" : "different";
  }
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Says a proof in one line, such as "187 events, no gap, digest verified ✓, 1 reconnection". */
export function proofLine(proof, reconnections) {
  return [
    counted(proof.events, "event"),
    gapPhrase(proof),
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

function digestPhrase({ digest, terminated, gaps }) {
  if (digest === "verified") return "digest verified ✓";
  if (digest === "different") return "digest differs ✗";
  if (!terminated) return "no terminal event";
  return gaps.length > 0 ? "digest cannot be checked" : "digest not checked here";
}

/** A number with its noun, such as "1 event" or "2 events". */
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
