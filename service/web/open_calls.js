/** The calls of a turn that waits for its client, and the form in which a person answers them. */

import { errorCard, storedWord } from "./cards.js";
import { brief, element, factList } from "./elements.js";
import { counted } from "./ledger.js";

const HEADINGS = {
  approvals: (calls) => `The turn waits for your approval of ${counted(calls, "tool call")}.`,
  tool_results: (calls) => `The turn waits for the result of ${counted(calls, "tool call")}.`,
  both: (calls) => `The turn waits for your answers to ${counted(calls, "tool call")}.`,
};
const SUBMIT = { approvals: "Send the decision", tool_results: "Send the result" };

// What no other try can cure. What the upstream refuses can be sent again.
const FINAL_CODES = new Set(["turn_unknown", "not_awaiting", "answers_differ", "answer_too_late"]);

/** Asks for an answer to each call and hands all of them over at once. */
export class OpenCalls {
  #calls;
  #cards;
  #inputs = [];
  #send;
  #heading = element("h3");
  #form = element("form", { class: "answers", autocomplete: "off" });
  #deadline = element("p", { class: "hint" });
  #progress = element("span", { class: "hint", role: "status" });
  #submit = element("button", { type: "submit", class: "primary" });
  #problem = element("div", { role: "alert" });

  /**
   * @param {object} data of `awaiting_input`
   * @param {ToolCard[]} cards one for each call, in their order; they move into this element
   * @param {(body: object) => void} send
   * @param {boolean} recorded what goes on then is what was recorded, whatever the answers say
   */
  constructor(data, cards, send, recorded) {
    const { calls = [], reason, stored, answer_within_s: within } = data;
    this.#calls = calls;
    this.#cards = cards;
    this.#send = send;
    const fields = calls.map((call) => fieldOf(call, reason));
    this.#heading.textContent = headingOf(fields, reason);
    const attributes = { class: "notice-card", "aria-label": "Open calls" };
    this.element = element("section", attributes, this.#heading);
    this.answerable = within !== undefined && calls.length > 0;
    if (this.answerable) this.element.append(this.#until(within, recorded), this.#fill(fields));
    else this.element.append(this.#bare(), element("p", { class: "hint" }, this.#why(reason)));
    this.element.append(this.#problem, factList([["Stored", storedWord(stored)]]));
  }

  /** Brings the reader to the first open call. */
  focus() {
    this.element.querySelector("textarea, button").focus();
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
    // By then the rest of the page has taken its room.
    requestAnimationFrame(() => this.#problem.scrollIntoView({ block: "nearest" }));
    if (FINAL_CODES.has(problem.code)) this.close();
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
    this.#heading.textContent = this.#heading.textContent.replace("waits", "waited");
    this.#deadline.remove();
    for (const card of this.#cards) card.mark("unanswered");
    this.#form.replaceWith(this.#bare());
    if (why) this.element.append(element("p", { class: "hint" }, why));
  }

  #why(reason) {
    if (reason === "max_iterations") return "Nothing can be answered here; ask again to go on.";
    return "This turn cannot be answered: nobody waits for it any more.";
  }

  #until(seconds, recorded) {
    const until = new Date(Date.now() + seconds * 1_000);
    const time = until.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const played = recorded ? " The turn then goes on as it was recorded." : "";
    this.#deadline.textContent = `Answers are taken until ${time}.${played}`;
    return this.#deadline;
  }

  #fill(fields) {
    const changed = () => this.#count();
    this.#inputs = fields.map((field) => CONTROLS[field](changed));
    const rows = this.#cards.map((card, number) => {
      const legend = element("legend", { class: "unseen" }, brief(card.name) || "tool call");
      return element("fieldset", {}, legend, card.element, this.#inputs[number].element);
    });
    this.#submit.textContent = (fields.length === 1 && SUBMIT[fields[0]]) || "Send all answers";
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
    const body = {};
    this.#calls.forEach(({ call_id: id }, number) => {
      const { field, read } = this.#inputs[number];
      (body[field] ??= []).push(read(id));
    });
    this.#send(body);
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

/** The field of the request that answers a call; only calls on servers can wait for approval. */
function fieldOf({ server_label: label }, reason) {
  return reason === "approval" && label !== undefined ? "approvals" : "tool_results";
}

function headingOf(fields, reason) {
  if (reason === "max_iterations") return "The turn reached its iteration limit with calls still open.";
  const kinds = new Set(fields);
  return HEADINGS[kinds.size > 1 ? "both" : (fields[0] ?? "both")](fields.length);
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
    field: "tool_results",
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
    field: "approvals",
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

const CONTROLS = { tool_results: resultControls, approvals: approvalControls };
