/** Draws what arrived at most once per animation frame, and keeps the newest line in sight. */

// Closer than this to the end, a reader counts as following the answer.
const NEAR_END_PX = 48;

/** Collects drawing jobs for one scrolling region. */
export class Painter {
  #scroller;
  #jobs = new Set();
  #following = true;

  constructor(scroller) {
    this.#scroller = scroller;
    scroller.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = scroller;
      this.#following = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    });
  }

  /** Runs a job with the next frame; a job that is already waiting runs once. */
  soon(job) {
    // A hidden tab gets no frames, yet its answer must go on growing.
    if (this.#jobs.size === 0) {
      if (document.hidden) setTimeout(() => this.flush(), 200);
      else requestAnimationFrame(() => this.flush());
    }
    this.#jobs.add(job);
  }

  /** Runs what waits now. */
  flush() {
    const jobs = [...this.#jobs];
    this.#jobs.clear();
    for (const job of jobs) job();
    if (jobs.length > 0 && this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Goes to the end and follows it again. */
  follow() {
    this.#following = true;
    this.soon(() => {});
  }
}

/** Text that grows: one text node per frame, so that nothing drawn is drawn again. */
export class LiveText {
  text = "";
  #painter;
  #waiting = "";
  #draw = () => {
    this.element.append(this.#waiting);
    this.#waiting = "";
  };

  constructor(element, painter) {
    this.element = element;
    this.#painter = painter;
  }

  append(text) {
    this.text += text;
    this.#waiting += text;
    this.#painter.soon(this.#draw);
  }

  /** Replaces everything. */
  set(text) {
    this.text = text;
    this.#waiting = "";
    this.element.textContent = text;
  }
}
