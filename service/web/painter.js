/** Draws what arrived at most once per animation frame, and keeps the newest line in sight. */

// Closer than this to the end, a reader counts as following the answer.
const NEAR_END_PX = 48;

/** Collects drawing jobs for one region, which scrolls, or the page does where it is too small. */
export class Painter {
  #region;
  #feet;
  #jobs = new Set();
  #following = false;
  #lastTop = 0;

  /** @param {Element[]} feet stay at the lower edge of a page that scrolls, over the region */
  constructor(region, feet) {
    this.#region = region;
    this.#feet = feet;
    for (const scroller of [region, document]) scroller.addEventListener("scroll", () => this.#scrolled());
    const resized = new ResizeObserver(() => this.#keepUp());
    for (const each of [region, ...feet]) resized.observe(each);
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
    if (jobs.length > 0) this.#keepUp();
  }

  /** Changes what is above an element, which stays where it is for the eye. */
  changeAbove(element, change) {
    const { top } = element.getBoundingClientRect();
    change();
    this.flush();
    this.#scrollBy(element.getBoundingClientRect().top - top);
  }

  #keepUp() {
    if (this.#following) this.#scrollBy(this.#below());
  }

  /** How much there is below what can be seen: in the region, and of the region behind the feet. */
  #below() {
    const { scrollHeight, scrollTop, clientHeight } = this.#region;
    const edge = this.#feet.reduce((bottom, foot) => bottom - foot.offsetHeight, innerHeight);
    const behind = Math.max(this.#region.getBoundingClientRect().bottom - edge, 0);
    return scrollHeight - scrollTop - clientHeight + behind;
  }

  #scrollBy(distance) {
    const before = this.#region.scrollTop;
    this.#region.scrollTop = before + distance;
    scrollBy(0, distance - (this.#region.scrollTop - before));
  }

  /** Only going up ends following: when content grows, the end moves away by itself. */
  #scrolled() {
    const top = this.#region.scrollTop + scrollY;
    if (this.#below() < NEAR_END_PX) this.#following = true;
    else if (top < this.#lastTop) this.#following = false;
    this.#lastTop = top;
  }

  /** Goes to the beginning, and stays there. */
  rest() {
    this.#following = false;
    this.#scrollBy(-this.#region.scrollTop - scrollY);
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
