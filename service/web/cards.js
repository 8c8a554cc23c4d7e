/** What a turn shows beside its text, its calls and its verdicts: endings and sources. */

import { element, factList, safeHref } from "./elements.js";
import { counted } from "./ledger.js";
import { spanWord, untilWord } from "./times.js";

/** An error: of the stream, or of the request before there was one. */
export function errorCard({ response, cause, code, status_code: status, state, stored, ...rest }) {
  const card = element(
    "section",
    { class: "error-card", "aria-label": "Error" },
    element("h3", { dir: "auto" }, response || "The turn failed."),
    factList([
      ["Cause", cause],
      ["Code", code],
      ["Status", status],
      ["State", state],
      ["Stored", storedWord(stored)],
    ]),
  );
  if (rest.retry_after_s) card.append(element("p", { class: "hint" }, waitFor(rest.retry_after_s)));
  return card;
}

function waitFor(seconds) {
  if (seconds <= 60) return `The service asks to wait ${counted(seconds, "second")} before the next try.`;
  const then = new Date(Date.now() + seconds * 1_000);
  return `Come back in ${spanWord(seconds)}, ${untilWord(then)}.`;
}

/** The error of a turn that the service has told a part of, and does not know any more. */
export function forgottenTurnCard(problem) {
  const response = "The service no longer has this turn, so the rest of it cannot be followed.";
  return errorCard({ ...problem, response, cause: "It was restarted, or the turn is too old." });
}

/** The error of a question to a conversation that the service does not keep, and the way on. */
export function unknownConversationCard(problem, askAnew) {
  const card = errorCard({ ...problem, response: "The service no longer knows this conversation." });
  const hint = "Nothing that was said above is known there.";
  card.append(wayOn("Ask in a new conversation", hint, askAnew));
  return card;
}

/** The error of a question to a conversation in which another one is answered, and the way on. */
export function busyConversationCard(problem, askInstead) {
  const card = errorCard({ ...problem, response: "Another question is being answered here." });
  card.append(wayOn("Stop it and ask", "What was answered so far is kept.", askInstead));
  return card;
}

function wayOn(label, hint, go) {
  const button = element("button", { type: "button", class: "way-on" }, label);
  button.addEventListener("click", go);
  return element("div", { class: "actions" }, button, element("span", { class: "hint" }, hint));
}

const STOPPED_BY = {
  user: "You stopped this turn.",
  operator: "An operator stopped this turn.",
  drain: "The service is shutting down and stopped this turn.",
};

/** A turn that somebody stopped. */
export function interruptedCard({ by, stored }) {
  return element(
    "section",
    { class: "notice-card", "data-kind": "interrupted" },
    element("h3", {}, STOPPED_BY[by] ?? "This turn was stopped before its end."),
    factList([["Partial answer stored", storedWord(stored)]]),
  );
}

/** A remark about the connection or the stream; `kind` is "info", "lost", "good" or "bad". */
export function remark(text, kind = "info") {
  return element("li", { class: "remark", "data-kind": kind }, text);
}

/** The documents that an answer refers to, null without any. */
export function documentList(documents = []) {
  if (documents.length === 0) return null;
  const rows = documents.map((found) => element("li", {}, documentLine(found)));
  return element(
    "section",
    { class: "documents" },
    element("h3", {}, "Sources"),
    element("ol", {}, ...rows),
  );
}

function documentLine({ doc_url: address, doc_title: title, document_id: id }) {
  const label = title || address || id || "untitled";
  const href = safeHref(address);
  if (href === null) return element("span", { class: "document-text" }, label);
  const attributes = { class: "document-link", href, rel: "noopener noreferrer", target: "_blank" };
  const host = element("span", { class: "document-host" }, new URL(href).host);
  return element("a", attributes, label, host);
}

/** The passages that retrieval found, folded away, null without any. */
export function ragChunks(chunks = []) {
  if (chunks.length === 0) return null;
  const rows = chunks.map(({ content, source, score }) =>
    element(
      "li",
      {},
      element("span", { class: "chunk-score" }, scoreWord(score)),
      element("span", { class: "chunk-source" }, source ?? "unknown source"),
      element("p", { dir: "auto" }, content ?? ""),
    ),
  );
  return folded(`Retrieved passages (${chunks.length})`, element("ol", { class: "chunks" }, ...rows));
}

const FINISH = {
  length: "Truncated: the model ran out of tokens.",
  max_iterations: "Truncated: the turn reached its iteration limit.",
};

/** The mark under an answer that is not whole, null under a whole one. */
export function truncation({ truncated, finish_reason: reason }) {
  if (!truncated) return null;
  return element("p", { class: "truncated" }, FINISH[reason] ?? "Truncated: this answer is not whole.");
}

/** How a turn ended, in numbers. */
export function endFacts(data) {
  const { input_tokens: input, output_tokens: output, usage } = data;
  const estimated = usage === "estimated" ? " (estimated)" : "";
  const given = typeof input === "number" || typeof output === "number";
  return factList([
    ["Finish", data.finish_reason],
    ["Tokens", given ? `${input ?? "?"} in, ${output ?? "?"} out${estimated}` : null],
    ["Stored", storedWord(data.stored)],
  ]);
}

/** Whether a turn was stored, in a word; null when nothing says so. */
export function storedWord(stored) {
  if (stored === undefined || stored === null) return null;
  return stored ? "yes" : "no";
}

function scoreWord(score) {
  return typeof score === "number" ? `score ${Number(score.toFixed(3))}` : "no score";
}

/** Something that is shown when wanted. */
export function folded(summary, content) {
  return element("details", { class: "folded" }, element("summary", {}, summary), content);
}
