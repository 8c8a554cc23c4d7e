/** Where a question is written, and the three buttons that act on a turn. */

const byId = (id) => document.getElementById(id);

/** Knows what may be pressed when, and keeps the focus from falling off a disabled button. */
export class Composer {
  #query = byId("query");
  #send = byId("send");
  #stop = byId("stop");
  #cut = byId("cut");
  #mayAsk = true;
  // Whether a question may be sent, for all that the turn and the conversation say.
  #ready = true;
  #held = false;

  /** @param {{send: (query: string) => void, stop: () => void, cut: () => void}} commands */
  constructor({ send, stop, cut }) {
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(send);
    });
    this.#query.addEventListener("keydown", (event) => {
      // An input method uses Enter to choose a word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit(send);
    });
    this.#query.addEventListener("input", () => this.#grow());
    this.#stop.addEventListener("click", stop);
    this.#cut.addEventListener("click", cut);
  }

  /** Offers only what the user may do; the service refuses the rest. */
  permit({ ask, stop }) {
    this.#mayAsk = ask;
    this.#query.disabled = !ask;
    this.#query.placeholder = ask ? "Ask a question" : "You may read here, but not ask";
    this.#stop.hidden = !stop;
    this.#offer();
  }

  /** While this holds no question is sent: it is not settled yet in which conversation it is. */
  hold(held) {
    this.#held = held;
    this.#offer();
  }

  get held() {
    return this.#held;
  }

  /** Forgets what was written. */
  clear() {
    this.#query.value = "";
    this.#grow();
  }

  focus() {
    this.#query.focus({ preventScroll: true });
  }

  get focused() {
    return document.activeElement === this.#query;
  }

  /** A turn is under way, but there is no connection to it. */
  waiting() {
    this.#allow({ send: false, stop: true, cut: false });
  }

  connected() {
    this.#allow({ send: false, stop: true, cut: true });
  }

  idle() {
    this.#allow({ send: true, stop: false, cut: false });
  }

  #submit(send) {
    const query = this.#query.value.trim();
    if (query === "") return;
    // A question that may not be sent yet stays where it was written.
    if (!this.#send.disabled) this.#query.value = "";
    this.#grow();
    send(query);
  }

  #allow({ send, stop, cut }) {
    const focused = document.activeElement;
    this.#ready = send;
    this.#offer();
    this.#stop.disabled = !stop;
    this.#cut.disabled = !cut;
    if (focused?.disabled) this.#query.focus({ preventScroll: true });
  }

  #offer() {
    this.#send.disabled = !(this.#ready && this.#mayAsk) || this.#held;
  }

  #grow() {
    this.#query.style.height = "auto";
    this.#query.style.height = `${this.#query.scrollHeight}px`;
  }
}
