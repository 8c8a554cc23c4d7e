/** The calls of a turn that waits for its client, and the form in which a person answers them. */

import { errorCard, storedWord } from "./cards.js";
import { element, factList } from "./elements.js";
import { counted } from "./ledger.js";

const KINDS = {
  __proto__: null,
  tool_result: {
    heading: (calls) => `The turn waits for the ${calls > 1 ? "results" : "result"} of ${counted(calls, "tool call")}.`,
    submit: (calls) => (calls > 1 ? "Send the results" : "Send the result"),
    field: "tool_results",
    controls: resultControls,
  },
  approval: {
    heading: (calls) => `The turn waits for your approval of ${counted(calls, "tool call")}.`,
    submit: (calls) => (calls > 1 ? "Send the decisions" : "Send the decision"),
    field: "approvals",
    controls: approvalControls,
  },
};

// Answers to answers that no other try can cure: unknown, answered or not awaited, too late.
const FINAL_STATUS = new Set([404, 409, 410]);

/** Asks for an answer to each call and hands all of them over at once. */
export class OpenCalls {
  #calls;
  #cards;
  #kind;
  #inputs;
  #send;
  #form = element("form", { class: "answers", autocomplete: "off" });
  #progress = element("span", { class: "hint", role: "status" });
  #submit = element("button", { type: "submit", class: "primary" });
  #problem = element("div", { role: "alert" });

  /**
   * @param {object} data of `awaiting_input`
   * @param {ToolCard[]} cards one for each call, in their order; they move into this element
   * @param {?((body: object) => void)} send null when the turn is a recording
   */
  constructor(data, cards, send) {
    const { calls = [], reason, stored, answer_within_s: within } = data;
    this.#calls = calls;
    this.#cards = cards;
    this.#kind = KINDS[reason];
    this.#send = send;
    const heading = element("h4", { tabindex: "-1" }, this.#heading(reason));
    const facts = factList([["Reason", reason], ["Stored", storedWord(stored)]]);
    this.element = element("section", { class: "notice-card", "aria-label": "Open calls" }, heading);
    this.answerable = Boolean(this.#kind) && within !== undefined && calls.length > 0;
    if (this.answerable) this.element.append(untilWhen(within), this.#fill());
    else this.element.append(this.#bare(), element("p", { class: "hint" }, this.#why(reason)));
    this.element.append(this.#problem, facts);
  }

  /** Brings the reader to the first open call. */
  focus() {
    this.element.querySelector("textarea, button, h4").focus();
  }

  /** The answers were taken: what they were stays on the cards, and the form goes. */
  settle() {
    this.#calls.forEach(({ call_id: id }, number) => {
      this.#cards[number].answer(this.#inputs[number].read(id));
    });
    this.#leave();
    this.element.replaceWith(...this.#cards.map((card) => card.element), streamDivider());
  }

  /** Says why the answers were not taken; returns whether others can be given. */
  refuse(problem) {
    this.#problem.replaceChildren(errorCard(problem));
    if (FINAL_STATUS.has(problem.status_code)) this.close();
    return this.answerable;
  }

  /** No request is under way, so answers can be sent again. */
  release() {
    this.#form.removeAttribute("aria-busy");
  }

  /** Nothing can be answered any more. */
  close(why) {
    if (!this.answerable) return;
    this.#leave();
    this.#form.replaceWith(this.#bare());
    if (why) this.element.append(element("p", { class: "hint" }, why));
  }

  #heading(reason) {
    if (reason === "max_iterations") return "The turn reached its iteration limit with calls still open.";
    return this.#kind?.heading(this.#calls.length) ?? "The turn waits for input.";
  }

  #why(reason) {
    if (reason === "max_iterations") return "Nothing can be answered here; ask again to go on.";
    if (this.#send === null) return "This turn is a recording, so it cannot be answered.";
    return "This turn cannot be answered: nobody waits for it any more.";
  }

  #fill() {
    this.#inputs = this.#calls.map(() => this.#kind.controls(() => this.#count()));
    const rows = this.#cards.map((card, number) => {
      const legend = element("legend", { class: "unseen" }, card.name || "tool call");
      return element("fieldset", {}, legend, card.element, this.#inputs[number].element);
    });
    this.#submit.textContent = this.#kind.submit(this.#calls.length);
    const actions = element("div", { class: "actions" }, this.#submit, this.#progress);
    this.#form.append(...rows, actions);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#handOver();
    });
    this.#count();
    return this.#form;
  }

  #count() {
    const given = this.#inputs.filter((input) => input.given()).length;
    this.#submit.disabled = given < this.#inputs.length;
    this.#progress.textContent = `${given} of ${counted(this.#inputs.length, "call")} answered`;
  }

  #handOver() {
    if (this.#form.hasAttribute("aria-busy")) return;
    this.#form.setAttribute("aria-busy", "true");
    this.#problem.replaceChildren();
    const answers = this.#calls.map(({ call_id: id }, number) => this.#inputs[number].read(id));
    this.#send({ [this.#kind.field]: answers });
  }

  #bare() {
    return element("div", { class: "answers" }, ...this.#cards.map((card) => card.element));
  }

  /** The element with the focus may be about to go. */
  #leave() {
    this.answerable = false;
    if (!this.element.contains(document.activeElement)) return;
    document.getElementById("conversation").focus({ preventScroll: true });
  }
}

function untilWhen(seconds) {
  const until = new Date(Date.now() + seconds * 1_000);
  const time = until.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return element("p", { class: "hint" }, `Answers are taken until ${time}.`);
}

function streamDivider() {
  return element("p", { class: "divider" }, "Answered: the turn goes on in a new stream");
}

function resultControls(changed) {
  const text = element("textarea", { rows: "2" });
  const failed = element("input", { type: "checkbox" });
  text.addEventListener("input", changed);
  failed.addEventListener("change", changed);
  return {
    element: element(
      "div",
      { class: "controls" },
      element("label", { class: "wide" }, "Result", text),
      element("label", { class: "check" }, failed, "The tool failed"),
    ),
    // A tool that fails may have nothing to say.
    given: () => text.value.trim() !== "" || failed.checked,
    read: (id) => ({ call_id: id, content: text.value, status: failed.checked ? "failed" : "ok" }),
  };
}

function approvalControls(changed) {
  let approve = null;
  const choices = [true, false].map((value) => {
    const attributes = { type: "button", "aria-pressed": "false", class: value ? "approve" : "deny" };
    const button = element("button", attributes, value ? "Approve" : "Deny");
    button.addEventListener("click", () => {
      approve = value;
      for (const each of choices) each.setAttribute("aria-pressed", String(each === button));
      changed();
    });
    return button;
  });
  const reason = element("input", { type: "text", maxlength: "4096" });
  const stated = () => (reason.value.trim() === "" ? {} : { reason: reason.value.trim() });
  return {
    element: element(
      "div",
      { class: "controls" },
      ...choices,
      element("label", { class: "wide" }, "Reason (optional)", reason),
    ),
    given: () => approve !== null,
    read: (id) => ({ call_id: id, approve, ...stated() }),
  };
}
