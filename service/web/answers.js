/** What the client reads from answers outside of a stream. No DOM. */

/** The value of a promise, or null when it was rejected: to a reader every failure is a loss. */
export function settled(promise) {
  return Promise.resolve(promise).catch(() => null);
}

/** Whether an answer is a stream of events. */
export function isStream(answer) {
  return (answer.headers.get("Content-Type") ?? "").startsWith("text/event-stream");
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
  };
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
