/** The answer while it grows: each line is dressed as soon as there is something of it. */

import { element } from "./elements.js";
import { dress } from "./markup.js";

// A line this long stays undressed, and only what is new of it is drawn: else each frame would cost
// more than the one before.
const LONG_LINE = 4_000;

/** Like `LiveText`, for Markdown; the text content of the element is exactly the text. */
export class Prose {
  text = "";
  #painter;
  #waiting = "";
  #line = "";
  #tail = null;
  #fence = null;
  #draw = () => this.#drawWaiting();

  constructor(region, painter) {
    this.element = region;
    this.#painter = painter;
  }

  append(text) {
    this.text += text;
    this.#waiting += text;
    this.#painter.soon(this.#draw);
  }

  /** Replaces everything. */
  set(text) {
    this.element.replaceChildren();
    this.#line = "";
    this.#tail = null;
    this.#fence = null;
    this.text = text;
    this.#waiting = text;
    this.#drawWaiting();
  }

  #drawWaiting() {
    const waiting = this.#waiting;
    this.#waiting = "";
    if (waiting === "") return;
    this.#tail ??= this.#newLine();
    if (this.#line.length > LONG_LINE && !waiting.includes("\n")) {
      this.#line += waiting;
      this.#tail.append(waiting);
      return;
    }
    const lines = (this.#line + waiting).split("\n");
    this.#line = lines.pop();
    for (const line of lines) {
      this.#fence = this.#fill(`${line}\n`);
      this.#tail = this.#newLine();
    }
    this.#fill(this.#line);
  }

  #newLine() {
    const line = element("span", { class: "line", dir: "auto" });
    this.element.append(line);
    return line;
  }

  #fill(line) {
    const { kind, nodes, fence } =
      line.length > LONG_LINE ? undressed(line, this.#fence) : dress(line, this.#fence);
    this.#tail.className = line === "" ? "line" : `line ${kind}`;
    this.#tail.replaceChildren(...nodes);
    return fence;
  }
}

function undressed(line, fence) {
  return { kind: fence === null ? "plain" : "code", nodes: [line], fence };
}
