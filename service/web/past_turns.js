/** Turns that are stored, drawn as those that are watched. */

import { counted } from "./ledger.js";
import { momentWord } from "./times.js";

/** What an error was, where its code alone says little; the code stands beside it. */
const ERRORS = {
  __proto__: null,
  owner_lost: "The process that answered was lost. What it had said by then was kept.",
  upstream_truncated: "The upstream ended before its answer did.",
  upstream_reset: "The connection to the upstream was lost.",
  upstream_timeout: "The upstream took too long.",
  illegal_transition: "The upstream said something that is not allowed there.",
  turn_timeout: "The turn took too long.",
};

/**
 * Puts the streams of each turn together: one that was answered goes on in a stream of its own.
 * @param {object[]} streams the oldest first
 * @returns {object[][]} for each turn its streams
 */
export function turnsOf(streams) {
  const turns = new Map();
  for (const stream of streams) {
    const earlier = turns.get(stream.resumes);
    const turn = earlier ?? [];
    turn.push(stream);
    // The next stream goes on with this one, not with those before it.
    turns.delete(stream.resumes);
    turns.set(stream.request_id, turn);
  }
  return [...turns.values()];
}

/** Whether some of these streams go on with others that stand on an earlier page. */
export function isCut({ turns: streams, earlier_cursor: cursor }) {
  const known = new Set(streams.map(({ request_id: id }) => id));
  return cursor !== null && streams.some(({ resumes }) => resumes !== null && !known.has(resumes));
}

/** Draws a stream below what its view shows; `last` tells that nothing goes on with it. */
export function drawStream(view, stream, last) {
  const { shields, answer } = stream;
  const output = ({ touchpoint }) => touchpoint === "assistant-output";
  for (const verdict of shields.filter((each) => !output(each))) view.show("shield", verdict);
  for (const [event, data] of callsOf(stream)) view.show(event, data);
  if (answer !== "") view.show("token", { token: answer });
  for (const verdict of shields.filter(output)) view.show("shield", verdict);
  if (last) endOf(view, stream);
  else view.divide("Answered: the turn went on in a new stream");
  view.close();
}

/** Whether a stream still runs, or waits for answers: then it can be followed. */
export function isOpen({ outcome }) {
  return outcome === null || outcome === "awaiting_input";
}

/** Each call with its result, as events; results of calls of an earlier stream come first. */
function callsOf({ tool_calls: calls, tool_results: results }) {
  const called = new Set(calls.map(({ call_id: id }) => id));
  const resultsOf = (id) => results.filter((result) => result.call_id === id);
  return [
    ...results.filter(({ call_id: id }) => !called.has(id)).map((result) => ["tool_result", result]),
    ...calls.flatMap((call, at) => {
      const again = calls.findIndex(({ call_id: id }) => id === call.call_id) < at;
      const outcome = again ? [] : resultsOf(call.call_id).map((result) => ["tool_result", result]);
      return [["tool_call", call], ...outcome];
    }),
  ];
}

function endOf(view, stream) {
  const { outcome, code } = stream;
  if (outcome === "end") view.show("end", stream);
  else if (outcome === "interrupted") view.show("interrupted", {});
  else if (outcome === "error") view.show("error", { code, response: ERRORS[code] });
  else if (outcome === "awaiting_input") view.remark("The turn waited for answers; nobody can give them any more.");
  else view.remark("How this turn ends is not known here yet.");
}

/** When a turn was asked for, with what, and what answered. */
export function aboutWords({ started_at: started, attachments, model }) {
  const files = attachments.length > 0 ? [counted(attachments.length, "attachment")] : [];
  const kinds = attachments.length > 0 ? ` (${attachments.map((each) => each.attachment_type).join(", ")})` : "";
  return [momentWord(started), ...files.map((each) => each + kinds), ...(model ? [model] : [])].join(" · ");
}
