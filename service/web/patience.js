/** How long a client waits before it tries again. No DOM. */

/** Counts tries in vain; each wait is up to twice as long as the one before. */
export class Patience {
  attempts = 0;
  #retryMs;
  #maxDelayMs;
  #wake = () => {};

  constructor({ retryMs, maxDelayMs }) {
    this.#maxDelayMs = maxDelayMs;
    this.retryMs = retryMs;
  }

  /** The first wait, in milliseconds; the service may ask for another one. */
  get retryMs() {
    return this.#retryMs;
  }

  set retryMs(asked) {
    this.#retryMs = Math.min(asked, this.#maxDelayMs);
  }

  /**
   * The wait before the next try: never shorter than what the service asks for.
   *
   * Up to half of that is added at random, so that readers do not come back all at once.
   */
  delayMs(atLeastMs = 0) {
    const doubled = Math.min(this.#retryMs * 2 ** (this.attempts - 1), this.#maxDelayMs);
    return Math.round(Math.max(doubled, atLeastMs) * (1 + Math.random() / 2));
  }

  /** Waits so long, without end for null, or until somebody wakes it. */
  sleep(delayMs) {
    return new Promise((resolve) => {
      const timer = delayMs === null ? undefined : setTimeout(resolve, delayMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  wake() {
    this.#wake();
  }
}
