/** Draws what arrived at most once per animation frame, and keeps the newest line in sight. */

// Closer than this to the end, a reader counts as following the answer.
const NEAR_END_PX = 48;

/** Collects drawing jobs for one scrolling region. */
export class Painter {
  #scroller;
  #jobs = new Set();
  #following = true;
  #lastTop = 0;

  constructor(scroller) {
    this.#scroller = scroller;
    scroller.addEventListener("scroll", () => this.#scrolled());
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

  /** Only going up ends following: when content grows, the end moves away by itself. */
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const nearEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (nearEnd) this.#following = true;
    else if (scrollTop < this.#lastTop) this.#following = false;
    this.#lastTop = scrollTop;
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
