/** What the client reads from answers outside of a stream. No DOM. */

/** The value of a promise, or null when it was rejected: to a reader every failure is a loss. */
export function settled(promise) {
  return Promise.resolve(promise).catch(() => null);
}

/** Whether an answer is a stream of events. */
export function isStream(answer) {
  return (answer.headers.get("Content-Type") ?? "").startsWith("text/event-stream");
}

// Answers that another try may cure.
const PASSING_STATUS = new Set([429, 500, 502, 503, 504]);

// Errors of the service that come before a turn, or that leave one that was started as it is.
const NOT_STARTED = new Set([
  "stopping",
  "too_many_streams",
  "too_many_own_streams",
  "too_many_readers",
  "too_many_turns",
  "log_unavailable",
  "storage_unavailable",
  "authentication_unavailable",
]);

/** Whether a request may be sent again after an error; a resume always may, it starts nothing. */
export function isPassing(status, code, resuming) {
  if (!PASSING_STATUS.has(status)) return false;
  // Without a code of the service it was a proxy that answered.
  return resuming || NOT_STARTED.has(code) || code === `http_${status}`;
}

/** The error of an answer that is not a stream (protocol, section 5), whatever sent it. */
export async function readProblem(answer) {
  const text = (await settled(answer.text())) ?? "";
  const body = parsed(text);
  const detail = body?.detail;
  return {
    code: body?.code ?? (answer.ok ? "not_a_stream" : `http_${answer.status}`),
    response: detail?.response ?? `The service answered ${answer.status}.`,
    cause: detail?.cause ?? (body === null ? text.slice(0, 300) : JSON.stringify(detail ?? body)),
    retry_after_s: retryAfterS(answer),
    // Of the turn that keeps a conversation busy.
    request_id: body?.request_id ?? null,
  };
}

/** The same of an error that a stream has told. */
export function toldProblem({ code, response }) {
  return { code, response: response ?? "", cause: "", retry_after_s: null, request_id: null };
}

/** The seconds that an answer asks to wait before the next try, null when it does not say. */
export function retryAfterS(answer) {
  const stated = answer.headers.get("Retry-After");
  if (stated === null) return null;
  // It may be a date as well (RFC 9110, section 10.2.3).
  const seconds = /^\d+$/.test(stated) ? Number(stated) : (Date.parse(stated) - Date.now()) / 1_000;
  return seconds > 0 ? Math.ceil(seconds) : null;
}

/** The value of a JSON text, null when it is none. */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The text of a percent-encoded header, which is itself when it is not. */
export function percentDecoded(value) {
  try {
    return value === null ? null : decodeURIComponent(value);
  } catch {
    return value;
  }
}
