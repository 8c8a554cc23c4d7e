/** The words of the status line. */

import { brief } from "./elements.js";

/** Why a connection has ended; any other reason is the code of an error. */
const REASONS = {
  __proto__: null,
  null: "Connection lost",
  cut: "Connection cut",
  draining: "The service sends its readers to another process",
  rotated: "The service wants a new connection",
  busy: "The service has too many readers",
  credential_expired: "Your credential has ended",
  credential_invalid: "Your credential was not taken",
};

export const STATUS = {
  ready: "Ready.",
  connecting: "Connecting.",
  answering: "Answering.",
  stopping: "Stopping.",
  sending: "Sending the answers.",
  waits: "The turn waits for your answer.",
  otherRuns: "Another question is being answered in this conversation.",
  unknown: "The service no longer knows this conversation.",
  busy: "An answer is still running. Stop it or wait for its end.",
  tool: (name) => `Running ${brief(name ?? "a tool")}.`,
  resumed: (after) => `Resumed after event ${after}.`,
  gaveUp: (after) =>
    after > 0 ? `No connection. Stopped trying after event ${after}.` : "The service does not answer.",
  failed: (code) => `Failed: ${code}.`,
  untaken: (code) => `The answers were not taken: ${code}.`,
  whole: ({ events }) => `Nothing was lost or doubled: all ${events} events, numbered without a gap.`,
  stopFailed: (message) => `The turn could not be stopped. ${message}`.trim(),
  notEntered: ({ response, cause }) => `${response} ${cause}`.trim(),
  opening: "Opening the conversation.",
  stillOpening: "The conversation is still being opened.",
  opened: "The conversation is open.",
  notOpened: (response) => `The conversation cannot be opened. ${response}`,
  following: "Looking for what this turn says now.",
  past: "This turn is shown as it was stored.",
  signIn: "Sign in to go on.",
  unavailable: (response) => response || "The turn cannot be reached for now.",
  lost: ({ reason, after, delayMs, attempt, maxTries }) => {
    const what = REASONS[reason] ?? `The service cannot answer yet (${reason})`;
    const where = after > 0 ? ` at event ${after}; resuming` : "; asking again";
    const tries = attempt > 1 ? `, try ${attempt} of ${maxTries}` : "";
    return `${what}${where} in ${(delayMs / 1000).toFixed(1)} s${tries} …`;
  },
};

/** What the status line says of an answer that is a refusal, by `finish_reason`. */
export const REFUSALS = {
  __proto__: null,
  shield: "Refused by a shield.",
  refusal: "Refused by the model.",
};

/** How each terminal event is named on the body and told in the status line. */
export const ENDINGS = {
  end: { name: "end", status: "Answer complete." },
  error: { name: "error", status: "The turn failed." },
  interrupted: { name: "interrupted", status: "Stopped." },
  awaiting_input: { name: "awaiting_input", status: "The turn waits for input, but cannot be answered." },
  unheard: { name: "interrupted", status: "Stopped before the service had answered." },
  unanswered: {
    name: "awaiting_input",
    status: "Stopped. Whether the answers arrived is not known; they can be sent again.",
  },
  past: { name: "idle", status: STATUS.past },
  none: { name: "error", status: "The stream is over, but its end was never told." },
};
