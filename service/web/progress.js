/** How far a turn is, in a line of words, in what can be pressed, and on the body of the page. */

import { STATUS } from "./status.js";

const byId = (id) => document.getElementById(id);

/** Says one thing at a time. */
export class Progress {
  #composer;

  /** @param {import("./composer.js").Composer} composer */
  constructor(composer) {
    this.#composer = composer;
  }

  /** Writes the status line; screen readers hear it, so it is kept to what has changed. */
  say(text) {
    if (byId("status").textContent !== text) byId("status").textContent = text;
  }

  /** There is no turn. */
  idle() {
    this.#composer.idle();
    this.#offer({});
    document.body.dataset.turn = "idle";
    document.body.dataset.reconnections = "0";
    this.say(STATUS.ready);
  }

  /** A turn begins, or goes on. */
  begin(status) {
    this.#composer.waiting();
    this.#offer({});
    document.body.dataset.turn = "running";
    document.body.dataset.reconnections = "0";
    this.say(status);
  }

  heard() {
    this.#offer({});
  }

  connected(reconnections) {
    this.#composer.connected();
    document.body.dataset.reconnections = String(reconnections);
  }

  lost(status) {
    this.#composer.waiting();
    this.say(status);
  }

  gaveUp(status) {
    this.#composer.waiting();
    this.#offer({ retry: true });
    this.say(status);
  }

  /** The stream is over; `calls` tells that it waits for answers. */
  close({ name, status }, calls) {
    this.#composer.idle();
    this.#offer({ calls });
    this.say(status);
    // Last, because it tells whoever waits that everything else is in its place.
    document.body.dataset.turn = name;
  }

  #offer({ retry = false, calls = false }) {
    byId("retry").hidden = !retry;
    byId("to-calls").hidden = !calls;
  }
}
