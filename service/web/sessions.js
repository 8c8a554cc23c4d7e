/** What answers, and the recorded questions where recordings do, from `GET /v1/info`. */

import { element } from "./elements.js";

const byId = (id) => document.getElementById(id);

/** Offers the recordings; without an answer of the service the page works without them. */
export class Sessions {
  #list = element("ul", { class: "sessions", "aria-label": "Recorded questions" });
  #known = [];
  #ask;

  /** @param {(query: string) => void} ask */
  constructor(ask) {
    this.#ask = ask;
    byId("welcome-sessions").append(this.#list);
  }

  /** @param {boolean} mayAsk whether there is any use in offering questions */
  async load(api, mayAsk) {
    const { data: info } = await api.get("/v1/info");
    if (info === null) return;
    this.#offer(mayAsk ? (info.sessions ?? []) : []);
    this.#name(info.upstream ?? {});
  }

  /** Says nothing of the service any more. */
  clear() {
    this.#offer([]);
    this.#name({});
  }

  #offer(sessions) {
    this.#known = sessions;
    this.#list.replaceChildren(...sessions.map((session) => this.#row(session)));
    byId("welcome-sessions").hidden = sessions.length === 0;
    if (byId("welcome").hidden) this.leaveWelcome();
  }

  /** Names the recording that was picked, and says so when it is not the question's own. */
  picked(title, query) {
    const session = this.#known.find((known) => known.title === title);
    const source = session ? ` (${session.server}, ${session.dialect})` : "";
    if (sameWords(title, query)) return `Recording of this question${source}`;
    if (!session || sameWords(session.query, query)) return `Recording “${title}”${source}`;
    return `No recording has this question; “${title}”${source} was picked`;
  }

  /** Once the conversation has begun, the questions are offered above the text field. */
  leaveWelcome() {
    byId("more-sessions").append(this.#list);
    byId("more-sessions").hidden = this.#known.length === 0;
  }

  enterWelcome() {
    byId("welcome-sessions").append(this.#list);
    byId("more-sessions").hidden = true;
  }

  #name({ recorded, notice }) {
    byId("upstream").hidden = !notice;
    byId("upstream").dataset.recorded = String(Boolean(recorded));
    byId("upstream-kind").textContent = recorded ? "Recorded" : "Live";
    byId("upstream-notice").textContent = notice ?? "";
  }

  #row({ title, query, dialect, server }) {
    const origin = [server, dialect].filter(Boolean).join(", ");
    const source = element("span", { class: "session-source" }, origin);
    const button = element("button", { type: "button", class: "session-pick" }, title, source);
    button.addEventListener("click", () => {
      byId("more-sessions").open = false;
      this.#ask(query);
      // The button has moved out of sight, and the answer is what comes next.
      byId("conversation").focus({ preventScroll: true });
    });
    return element("li", {}, button);
  }
}

/** The service picks by words, so case and punctuation make no other question. */
function sameWords(one, other) {
  const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu)?.join(" ");
  return words(one) === words(other);
}
