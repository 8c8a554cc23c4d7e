/** How many tokens are left, in one line below the question. */

import { untilWord } from "./times.js";

/** Says nothing where there are no quotas. */
export class Quotas {
  #line;
  #api;
  #known = new Map();

  /** @param {Element} line */
  constructor(line, api) {
    this.#line = line;
    this.#api = api;
  }

  /** Asks for all of them; without an answer those that are known stay. */
  async load() {
    const { data } = await this.#api.get("/v1/quotas");
    if (data === null) return;
    this.#known = new Map((data.quotas ?? []).map((quota) => [quota.name, quota]));
    this.#draw();
  }

  /** Takes what a turn has left of them, by their names. */
  update(available) {
    for (const [name, left] of Object.entries(available ?? {})) {
      this.#known.set(name, { ...this.#known.get(name), name, available: left });
    }
    this.#draw();
  }

  /** A turn has used some of them, however it has ended. */
  refresh() {
    if (this.#known.size > 0) this.load();
  }

  clear() {
    this.#known.clear();
    this.#draw();
  }

  #draw() {
    const words = [...this.#known.values()].map(quotaWords);
    this.#line.hidden = words.length === 0;
    this.#line.textContent = words.join(" · ");
  }
}

function quotaWords({ name, available, renews_at: renews }) {
  // A turn may use more than it had reserved.
  const left = available > 0 ? `${available.toLocaleString()} tokens left` : "used up";
  const renewal = renews && Date.parse(renews) > Date.now() ? `, renews ${untilWord(renews)}` : "";
  return `${name}: ${left}${renewal}`;
}
