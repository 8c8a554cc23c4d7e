/** What a turn shows beside its text and its tool calls: verdicts, endings and sources. */

import { element, factList, readable, safeHref } from "./elements.js";

/** The verdict of a shield. */
export function shieldCard({ touchpoint, verdict, message, violation_level: level, metadata }) {
  const passed = verdict === "passed";
  const title = passed ? "Shield passed" : "Shield violation";
  const card = element(
    "div",
    { class: "shield-card", "data-verdict": verdict },
    element("strong", {}, title),
    element("span", { class: "touchpoint" }, touchpoint ?? ""),
  );
  if (level) card.append(element("span", { class: "touchpoint" }, `level: ${level}`));
  if (message) card.append(element("p", {}, message));
  if (metadata && readable(metadata) !== "{}") {
    card.append(folded("Metadata", element("pre", {}, readable(metadata))));
  }
  return card;
}

/** An error: of the stream, or of the request before there was one. */
export function errorCard({ code, status_code: status, response, cause, state, stored }) {
  return element(
    "section",
    { class: "error-card", "aria-label": "Error" },
    element("h4", {}, response || "The turn failed."),
    factList([
      ["Cause", cause],
      ["Code", code],
      ["Status", status],
      ["State", state],
      ["Stored", storedWord(stored)],
    ]),
  );
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
    element("h4", {}, STOPPED_BY[by] ?? `This turn was stopped by ${by}.`),
    factList([["Partial answer stored", storedWord(stored)]]),
  );
}

const ANSWERED_BY = "A client answers with POST …/tool_results; this page only shows the calls.";
const AWAITED = {
  tool_result: "The turn waits for the results of its client's tools.",
  approval: "The turn waits for an approval.",
  max_iterations: "The turn reached its iteration limit with calls still open.",
};

/** A turn that waits for something the client owes; its calls are shown in full as tool cards. */
export function awaitingCard({ calls = [], reason, stored }) {
  const rows = calls.map(({ tool_name: name, call_id: id }) =>
    element(
      "li",
      {},
      element("strong", { class: "tool-name" }, name ?? "tool call"),
      element("code", { class: "call-id" }, id ?? ""),
    ),
  );
  return element(
    "section",
    { class: "notice-card", "data-kind": "awaiting_input" },
    element("h4", {}, AWAITED[reason] ?? "The turn waits for input."),
    element("ul", { class: "awaited-calls" }, ...rows),
    factList([
      ["Reason", reason],
      ["Stored", storedWord(stored)],
    ]),
    element("p", { class: "hint" }, ANSWERED_BY),
  );
}

/** A remark about the connection or the stream; `kind` is "info" or "bad". */
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
    element("h4", {}, "Sources"),
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
      element("p", {}, content ?? ""),
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

function storedWord(stored) {
  if (stored === undefined || stored === null) return null;
  return stored ? "yes" : "no";
}

function scoreWord(score) {
  return typeof score === "number" ? `score ${Number(score.toFixed(3))}` : "no score";
}

function folded(summary, content) {
  return element("details", { class: "folded" }, element("summary", {}, summary), content);
}
