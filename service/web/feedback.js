/** What a reader thinks of an answer: a thumb, and words if they like. */

import { element } from "./elements.js";
import { icon } from "./icons.js";

const TEXT_LIMIT = 4_096;
const THUMBS = [
  { name: "up", sentiment: 1, label: "Good answer" },
  { name: "down", sentiment: -1, label: "Bad answer" },
];

/** Asks for an opinion of a stored turn; a later one takes the place of an earlier one. */
export class Feedback {
  #api;
  #about;
  #sentiment = null;
  #thumbs;
  #form = element("form", { class: "comment", autocomplete: "off", hidden: "" });
  #text = element("textarea", { rows: "2", maxlength: String(TEXT_LIMIT) });
  #told = element("span", { class: "hint", role: "status" });

  /** @param {{request_id: string, conversation_id: string}} about */
  constructor(api, about) {
    this.#api = api;
    this.#about = about;
    this.#thumbs = THUMBS.map((thumb) => this.#thumb(thumb));
    const send = element("button", { type: "submit" }, "Send");
    const label = element("label", { class: "wide" }, "Tell more (optional)", this.#text);
    this.#form.append(element("div", { class: "controls" }, label, send));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#comment();
    });
    const row = element("div", { class: "thumbs" }, ...this.#thumbs, this.#told);
    const attributes = { class: "feedback", role: "group", "aria-label": "Feedback on this answer" };
    this.element = element("div", attributes, row, this.#form);
  }

  #thumb({ name, sentiment, label }) {
    const attributes = { type: "button", class: "quiet thumb", "aria-pressed": "false", "aria-label": label, title: label };
    const button = element("button", attributes, icon(name));
    button.dataset.sentiment = String(sentiment);
    button.addEventListener("click", () => this.#judge(sentiment));
    return button;
  }

  async #judge(sentiment) {
    if (!(await this.#give(sentiment))) return;
    this.#sentiment = sentiment;
    for (const button of this.#thumbs) {
      button.setAttribute("aria-pressed", String(button.dataset.sentiment === String(sentiment)));
    }
    this.#form.hidden = false;
    this.element.scrollIntoView({ block: "nearest" });
  }

  async #comment() {
    if (this.#text.value.trim() === "" || !(await this.#give(this.#sentiment))) return;
    this.#form.hidden = true;
    this.#thumbs.find(({ dataset }) => dataset.sentiment === String(this.#sentiment)).focus();
  }

  /** Whether it is kept now. */
  async #give(sentiment) {
    // A disabled button would drop the focus.
    if (this.element.hasAttribute("aria-busy")) return false;
    const text = this.#text.value.trim();
    const body = { ...this.#about, sentiment, ...(text && { text }) };
    this.element.setAttribute("aria-busy", "true");
    const { problem } = await this.#api.call("POST", "/v1/feedback", body);
    this.element.removeAttribute("aria-busy");
    this.#told.textContent = problem === null ? "Thank you." : `Not kept. ${problem.response}`;
    return problem === null;
  }
}
