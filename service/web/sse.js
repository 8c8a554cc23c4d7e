/**
 * Server-sent events out of bytes, after the HTML Standard, section 9.2.6. No DOM.
 *
 * Deliberate differences from the standard:
 * 1. Fields that it does not know are kept: the service sends `state:` lines on request.
 * 2. A block without `data` is returned as well (`data` is null): the frame drawer shows what was
 *    on the wire, not what a browser would have dispatched.
 */

const LINE_END = /\r\n|\n|\r/g;

/**
 * @typedef {object} Frame One block of lines that an empty line closed.
 * @property {string} raw its lines as they came, joined by LF
 * @property {?string} data the `data` lines joined by LF; null without any
 * @property {?string} id its own `id`; null without one
 * @property {string} event its `event`, "message" without one
 * @property {Map<string, string>} fields every other field; repeated ones joined by LF
 */

/**
 * Cuts one response body into frames, wherever the network split its bytes.
 *
 * What a reader is told without a frame counts from its line on: a body may end in such lines.
 */
export class FrameParser {
  /** The newest valid `retry:` in milliseconds, null before one. */
  retryMs = null;
  /** The words of the newest comment since the last event, null without any. */
  comment = null;
  /** How many comments without words came: the service does so only to show that it lives. */
  heartbeats = 0;
  // A TextDecoder drops one leading byte order mark and keeps a split UTF-8 sequence back.
  #decoder = new TextDecoder();
  #line = "";
  #afterReturn = false;
  #block = emptyBlock();

  /**
   * Takes the next bytes and returns the frames that they completed.
   *
   * What is still open when the body ends is dropped, as the standard demands.
   * @param {Uint8Array} bytes
   * @returns {Frame[]}
   */
  feed(bytes) {
    const frames = [];
    for (const line of this.#lines(this.#decoder.decode(bytes, { stream: true }))) {
      if (line !== "") this.#read(line);
      else if (this.#block.lines.length > 0) frames.push(this.#close());
    }
    return frames;
  }

  #read(line) {
    this.#block.lines.push(line);
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (colon === 0) this.#hear(value);
    else if (name !== "retry") (FIELDS[name] ?? keepField(name))(this.#block, value);
    else if (/^[0-9]+$/.test(value)) this.retryMs = Number(value);
  }

  #hear(comment) {
    if (comment === "") this.heartbeats += 1;
    else this.comment = comment;
  }

  #close() {
    const { lines, ...fields } = this.#block;
    this.#block = emptyBlock();
    if (fields.data !== null) this.comment = null;
    return { raw: lines.join("\n"), ...fields };
  }

  /** Only new text is searched for line ends, so a long line in many pieces stays linear. */
  *#lines(text) {
    if (text === "") return;
    // A CR ends a line at once; an LF that follows it in a later piece belongs to it.
    const fresh = this.#afterReturn && text.startsWith("\n") ? text.slice(1) : text;
    this.#afterReturn = text.endsWith("\r");
    let start = 0;
    for (const end of fresh.matchAll(LINE_END)) {
      const line = this.#line + fresh.slice(start, end.index);
      this.#line = "";
      start = end.index + end[0].length;
      yield line;
    }
    this.#line += fresh.slice(start);
  }
}

function emptyBlock() {
  return { lines: [], data: null, id: null, event: "message", fields: new Map() };
}

const FIELDS = {
  __proto__: null,
  data: (block, value) => {
    block.data = block.data === null ? value : `${block.data}\n${value}`;
  },
  event: (block, value) => {
    block.event = value === "" ? "message" : value;
  },
  id: (block, value) => {
    if (!value.includes("\0")) block.id = value;
  },
};

function keepField(name) {
  return (block, value) => {
    const earlier = block.fields.get(name);
    block.fields.set(name, earlier === undefined ? value : `${earlier}\n${value}`);
  };
}
