/** The tool calls of a turn: arguments as they are written, then the outcome. */

import { parsed } from "./answers.js";
import { brief, element, readable } from "./elements.js";
import { counted } from "./ledger.js";
import { LiveText } from "./painter.js";

const LABELS = {
  writing: "being written",
  running: "running",
  ok: "ok",
  failed: "failed",
  pending: "awaiting input",
  answered: "answered",
  approved: "approved",
  denied: "denied",
  unanswered: "not answered",
  unfinished: "not finished",
};

const UNDER_WAY = new Set(["running", "answered"]);

/** One call. `callId` is null until the service names it. */
class ToolCard {
  status = "writing";
  #name = element("strong", { class: "tool-name" });
  #badge = element("span", { class: "tool-status" });
  #server = element("span", { class: "tool-server", hidden: "" });
  #arguments;

  constructor(callId, painter) {
    this.callId = callId;
    const written = element("pre", { class: "tool-arguments", role: "group", "aria-label": "Arguments" });
    this.#arguments = new LiveText(written, painter);
    const head = element("header", {}, this.#name, this.#server, this.#badge);
    this.element = element("section", { class: "tool-card" }, head, written);
    this.mark("writing");
    this.rename("");
  }

  get name() {
    return this.element.dataset.tool;
  }

  /** Whether the arguments form a whole, so that a further fragment belongs to another call. */
  get written() {
    const { text } = this.#arguments;
    return text.trimEnd().endsWith("}") && parsed(text) !== null;
  }

  /** Whether the arguments that were written are these. */
  says(given) {
    return readable(this.#arguments.text) === readable(given);
  }

  rename(name) {
    this.element.dataset.tool = name;
    this.#name.textContent = name || "tool call";
    this.element.setAttribute("aria-label", `Tool call ${brief(name)}`);
  }

  mark(status) {
    this.status = status;
    this.element.dataset.status = status;
    this.#badge.textContent = LABELS[status];
  }

  write(fragment) {
    this.#arguments.append(fragment);
  }

  /** Shows the whole call; `status` says whether it runs or waits for the client. */
  complete({ tool_name: name, arguments: given }, serverLabel, status) {
    this.rename(name);
    this.#arguments.set(readable(given));
    this.#server.hidden = !serverLabel;
    this.#server.textContent = serverLabel ? `on ${serverLabel}` : "";
    this.mark(status);
  }

  /** Shows what the client has answered; a result comes back in the stream as well. */
  answer({ approve, reason }) {
    if (approve === undefined) this.mark("answered");
    else this.mark(approve ? "approved" : "denied");
    if (reason) this.element.append(element("h3", {}, "Reason"), element("pre", { dir: "auto" }, reason));
  }

  finish({ token, status, referenced_documents: documents = [] }) {
    this.mark(status === "failed" ? "failed" : "ok");
    const shown = token.summary ?? token.response;
    const label = token.summary === undefined ? "Result" : "Summary of the result";
    const body = element("pre", { class: "tool-result", dir: "auto" }, readable(shown));
    const found = documents.length > 0 ? ` (${counted(documents.length, "document")})` : "";
    this.element.append(element("h3", {}, label + found), body);
  }
}

/** All calls of a turn, found again by call id, or by order where the upstream names none. */
export class ToolCards {
  #cards = [];
  #painter;
  #place;

  /** @param {(element: Element) => void} place puts a new card into the page */
  constructor(painter, place) {
    this.#painter = painter;
    this.#place = place;
  }

  delta({ call_id: callId = null, tool_name: name, token }) {
    const card = this.#writing(callId, name) ?? this.#open(callId);
    if (name) card.rename(name);
    card.write(token);
  }

  call({ call_id: callId, token, server_label: serverLabel }) {
    const card = this.#bind(callId, token.tool_name, token.arguments);
    card.complete(token, serverLabel, "running");
  }

  /** Shows a call that the client must answer, or approve; returns its card. */
  owe({ call_id: callId, server_label: serverLabel, ...call }) {
    // The id of an approval is not the id under which its arguments were written.
    const written = this.#cards.find((card) => card.status === "writing" && card.says(call.arguments));
    const card = written ?? this.#bind(callId, call.tool_name);
    card.callId = callId;
    card.complete(call, serverLabel, "pending");
    return card;
  }

  result(data) {
    const open = (card) => card.callId === data.call_id && UNDER_WAY.has(card.status);
    const known = this.#cards.find(open);
    // A resumed turn reports results of calls that its earlier stream opened.
    const card = known ?? this.#open(data.call_id);
    if (!known) card.rename(data.token.tool_name);
    card.finish(data);
  }

  /** Marks what has no outcome when the turn ends. */
  close() {
    const open = this.#cards.filter(({ status }) => ["writing", "running"].includes(status));
    for (const card of open) card.mark("unfinished");
  }

  #bind(callId, name, given) {
    const card = this.#unbound(callId, name) ?? this.#approved(name, given) ?? this.#open(callId);
    card.callId = callId;
    return card;
  }

  #open(callId) {
    const card = new ToolCard(callId, this.#painter);
    this.#cards.push(card);
    this.#place(card.element);
    return card;
  }

  #writing(callId, name) {
    const open = this.#cards.filter(({ status }) => status === "writing");
    if (callId !== null) return open.find((card) => card.callId === callId);
    const last = open.at(-1);
    const sameName = !name || !last?.name || last.name === name;
    return last && sameName && !last.written ? last : undefined;
  }

  /** An approved call is executed under another id than the one of its approval. */
  #approved(name, given) {
    const approved = (card) => card.status === "approved" && card.name === name;
    return this.#cards.find((card) => approved(card) && card.says(given));
  }

  #unbound(callId, name) {
    const open = this.#cards.filter(({ status }) => status === "writing");
    return (
      open.find((card) => card.callId === callId) ??
      open.find((card) => card.callId === null && card.name === name) ??
      open.find((card) => card.callId === null && card.name === "")
    );
  }
}
