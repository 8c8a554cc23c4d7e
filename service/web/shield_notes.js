/** What shields have judged, in small notes. */

import { folded } from "./cards.js";
import { element, readable } from "./elements.js";

const AT_ONCE = "Text is shown at once, before a shield has judged it.";

/** Notes verdicts one after another; a verdict that only repeats the last one is counted there. */
export class ShieldNotes {
  #place;
  #last = null;
  #released = false;

  /** @param {(note: Element) => void} place puts a note into the page */
  constructor(place) {
    this.#place = place;
  }

  /** Says once when text reaches the reader, where that is not after its verdict. */
  release(release) {
    if (release !== "at_once" || this.#released) return;
    this.#released = true;
    this.#place(element("p", { class: "release-note" }, AT_ONCE));
  }

  add(data) {
    const { touchpoint, verdict } = data;
    if (verdict === "passed" && this.#last?.touchpoint === touchpoint && this.#isNewest()) {
      this.#last.count += 1;
      this.#last.counter.textContent = `${this.#last.count} times`;
      return;
    }
    const counter = element("span", { class: "touchpoint" });
    const note = verdictNote(data, counter);
    this.#last = verdict === "passed" ? { touchpoint, note, counter, count: 1 } : null;
    this.#place(note);
  }

  /** Whether nothing but text has come since the last verdict. */
  #isNewest() {
    const next = this.#last.note.nextElementSibling;
    return next === null || next.classList.contains("answer");
  }
}

function verdictNote({ touchpoint, verdict, message, violation_level: level, metadata }, counter) {
  const title = verdict === "passed" ? "Shield passed" : "Shield violation";
  const note = element(
    "div",
    { class: "shield-card", "data-verdict": verdict },
    element("strong", {}, title),
    element("span", { class: "touchpoint" }, touchpoint ?? ""),
    counter,
  );
  if (level) note.append(element("span", { class: "touchpoint" }, `level: ${level}`));
  if (message) note.append(element("p", { dir: "auto" }, message));
  if (metadata && readable(metadata) !== "{}") {
    note.append(folded("Metadata", element("pre", {}, readable(metadata))));
  }
  return note;
}
