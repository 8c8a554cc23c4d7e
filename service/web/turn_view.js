/** One turn in the conversation: the question, what happened, the answer, how it ended. */

import {
  busyConversationCard,
  documentList,
  endFacts,
  errorCard,
  forgottenTurnCard,
  interruptedCard,
  ragChunks,
  remark,
  truncation,
  unknownConversationCard,
} from "./cards.js";
import { element } from "./elements.js";
import { OpenCalls } from "./open_calls.js";
import { LiveText } from "./painter.js";
import { Prose } from "./prose.js";
import { ShieldNotes } from "./shield_notes.js";
import { ToolCards } from "./tool_cards.js";

/** Draws the events of one turn, however many streams it has, in the order in which they come. */
export class TurnView {
  /** The calls that wait for answers, null when none do. */
  openCalls = null;
  #painter;
  #answerCalls;
  #timeline = element("div", { class: "timeline" });
  #remarks = element("ul", { class: "remarks" });
  #ending = element("footer", { class: "ending" });
  #recording = element("p", { class: "recording", hidden: "" });
  #about = element("p", { class: "recording", hidden: "" });
  #answer = null;
  // Every stretch of text, in order; tool calls and results are what parts them.
  #stretches = [];
  #parted = false;
  #lossy = false;
  #reasoning = null;
  #tools;
  #shields = new ShieldNotes((note) => this.#place(note));

  /** @param {(answers: object) => void} answerCalls sends the answers to the calls that wait */
  constructor(question, painter, answerCalls) {
    this.#painter = painter;
    this.#answerCalls = answerCalls;
    this.#tools = new ToolCards(painter, (card) => this.#placeTool(card));
    const asked = element("h2", { class: "question", dir: "auto" }, question);
    this.element = element(
      "article",
      { class: "turn running" },
      element("header", {}, asked, this.#recording, this.#about),
      this.#timeline,
      this.#remarks,
      this.#ending,
    );
    this.#openAnswer();
  }

  /** Names the recording that the service picked. */
  played(text) {
    this.#recording.textContent = text;
    this.#recording.hidden = false;
  }

  /** Says when the question was asked, and with what. */
  note(text) {
    this.#about.textContent ||= text;
    this.#about.hidden = false;
  }

  /** Marks where a stream ended that others go on with. */
  divide(text) {
    this.#place(element("p", { class: "divider" }, text));
    this.#parted = this.#answer.text !== "";
  }

  /** Asks the reader for something, when the turn is over; null for nothing. */
  ask(question) {
    if (question !== null) this.#end(question);
  }

  /** Draws an event; kinds that it does not know are left to the frame drawer. */
  show(event, data) {
    if (event !== "reasoning" && event !== "start") this.#foldReasoning();
    this.#drawings[event]?.(data);
  }

  /** Adds a remark about the connection; of losses without anything in between the last one. */
  remark(text, kind) {
    const last = this.#remarks.lastElementChild;
    if (kind === "lost" && last?.dataset.kind === kind) last.remove();
    this.#remarks.append(remark(text, kind));
    this.#painter.soon(() => {});
  }

  /** Says which events the service lost, the first and the last of them. */
  lose(from, to) {
    this.#lossy = true;
    this.remark(`Events ${from} to ${to} were lost: the service no longer has them.`, "bad");
  }

  /** Says which events were shown that the service has lost, the first and the last of them. */
  withdraw(from, to) {
    this.#lossy = true;
    this.remark(`Events ${from} to ${to} were lost with the process that ran the turn.`, "bad");
  }

  /** Shows an error that came instead of a stream, or of the rest of one. */
  refuse(problem) {
    const card = problem.code === "turn_unknown" ? forgottenTurnCard(problem) : errorCard(problem);
    if (this.openCalls === null) this.#endPartial(card, "Partial answer");
    else if (!this.openCalls.refuse(problem)) this.openCalls = null;
    this.#painter.soon(() => {});
  }

  /** Shows that the conversation is not kept; `askAnew` begins another with the same question. */
  refuseConversation(problem, askAnew) {
    this.#end(unknownConversationCard(problem, askAnew));
  }

  /** Shows that another question is being answered; `askInstead` stops it and asks this one. */
  refuseBusy(problem, askInstead) {
    this.#end(busyConversationCard(problem, askInstead));
  }

  /** The open calls were answered, and the turn goes on below them. */
  goOn() {
    this.openCalls.settle();
    this.openCalls = null;
    this.#parted = this.#answer.text !== "";
    this.#reasoning = null;
    this.element.classList.add("running");
    this.#painter.follow();
  }

  /** The turn is over, however it ended. */
  close() {
    this.#painter.flush();
    this.#foldReasoning();
    this.#tools.close();
    this.openCalls?.release();
    this.element.classList.remove("running");
  }

  /** An older turn gives the id up to the newest one, and waits for nothing any more. */
  retire() {
    this.openCalls?.close("Not answered: the conversation went on without it.");
    this.openCalls = null;
    this.#answer.element.removeAttribute("id");
  }

  #drawings = {
    __proto__: null,
    start: ({ output_release: release }) => this.#shields.release(release),
    token: ({ token }) => {
      if (this.#parted) this.#openAnswer();
      this.#answer.append(token);
    },
    reasoning: ({ token }) => this.#reason(token),
    tool_call_delta: (data) => this.#tools.delta(data),
    tool_call: (data) => this.#tools.call(data),
    tool_result: (data) => {
      this.#tools.result(data);
      this.#partAnswer();
    },
    shield: (data) => this.#shields.add(data),
    turn_complete: ({ token }) => this.#complete(token ?? ""),
    end: (data) => this.#endInOrder(data),
    error: (data) => this.#endPartial(errorCard(data), "Partial answer"),
    interrupted: (data) => this.#endPartial(interruptedCard(data), "Partial answer, stopped here"),
    awaiting_input: (data) => this.#wait(data),
  };

  #wait(data) {
    const cards = (data.calls ?? []).map((call) => this.#tools.owe(call));
    const calls = new OpenCalls(data, cards, this.#answerCalls, !this.#recording.hidden);
    this.#place(calls.element);
    if (calls.answerable) this.openCalls = calls;
  }

  #openAnswer() {
    this.#answer?.element.removeAttribute("id");
    if (this.#parted) this.#answer.element.classList.add("interim");
    this.#parted = false;
    const region = element("div", { class: "answer", id: "answer", dir: "auto" });
    this.#answer = new Prose(region, this.#painter);
    this.#stretches.push(this.#answer);
    this.#timeline.append(region);
  }

  /** Text before a tool call stays above it; the answer is what comes after, if anything does. */
  #partAnswer() {
    this.#parted = this.#answer.text !== "";
    this.#answer.element.classList.toggle("parted", this.#parted);
  }

  #place(node) {
    if (this.#answer.text === "") this.#answer.element.before(node);
    else this.#timeline.append(node);
    this.#painter.soon(() => {});
  }

  #placeTool(card) {
    this.#partAnswer();
    this.#reasoning = null;
    this.#place(card);
  }

  #reason(token) {
    this.#reasoning ??= this.#openReasoning();
    this.#reasoning.text.append(token);
  }

  #openReasoning() {
    const body = element("div", { class: "reasoning-text", dir: "auto" });
    const block = element(
      "details",
      { class: "reasoning", open: "" },
      element("summary", {}, "Reasoning"),
      body,
    );
    // Thinking precedes what it leads to, so an answer that has begun stays in one piece below it.
    this.#answer.element.before(block);
    return { block, text: new LiveText(body, this.#painter), folded: false };
  }

  /** Once only, so that a reader who opens it again is left alone. */
  #foldReasoning() {
    if (!this.#reasoning || this.#reasoning.folded) return;
    this.#reasoning.folded = true;
    this.#reasoning.block.open = false;
  }

  #complete(full) {
    if (full === "" || full === this.#answer.text) return;
    const parts = this.#stretchesOf(full);
    if (parts !== null) this.#gather(parts);
    else if (this.#parted) this.#openAnswer();
    // Where events were lost, the difference is what was in them.
    else if (this.#answer.text !== "" && !this.#lossy) this.#withdraw();
    this.#answer.set(full);
  }

  /** The last stretches that together are the full answer, null when it is none that was said. */
  #stretchesOf(full) {
    for (let first = this.#stretches.length - 1; first >= 0; first -= 1) {
      const parts = this.#stretches.slice(first);
      const said = parts.map(({ text }) => text).join("");
      // Upstreams join the messages of a turn with or without a line break.
      if (said.replace(/\s+/g, "") === full.replace(/\s+/g, "")) return parts;
    }
    return null;
  }

  /** An answer that ran around tool calls is shown in one piece at its end. */
  #gather(parts) {
    this.#painter.flush();
    for (const { element: region } of parts.slice(0, -1)) region.remove();
  }

  /** The upstream took its words back, as shields make it do; they stay readable as such. */
  #withdraw() {
    this.#painter.flush();
    const region = this.#answer.element;
    region.classList.add("withdrawn");
    region.setAttribute("role", "deletion");
    region.before(element("p", { class: "withdrawn-label" }, "Withdrawn"));
    this.#openAnswer();
    this.#answer.element.before(element("p", { class: "final-label" }, "Final answer"));
  }

  #endInOrder(data) {
    const mark = truncation(data);
    if (mark) {
      this.#answer.element.classList.add("cut-off");
      this.#answer.element.after(mark);
    }
    const parts = [documentList(data.referenced_documents), ragChunks(data.rag_chunks), endFacts(data)];
    this.#end(...parts.filter((part) => part !== null));
  }

  #endPartial(card, label) {
    if (this.#answer.text !== "") {
      this.#answer.element.classList.add("cut-off");
      this.#answer.element.after(element("p", { class: "truncated" }, label));
    }
    this.#end(card);
  }

  #end(...parts) {
    this.#ending.append(...parts);
    this.#painter.soon(() => {});
  }
}
