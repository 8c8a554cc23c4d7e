/**
 * It is written for browsers; what it asks of one is a window and a document.
 *
 * What its users have to know:
 * 1. It takes the number of an event before it has the event: cut in between, it would ask for the
 *    next one. So the number is taken here, with the event.
 * 2. It takes every body that ends in order for the end, so a body without an end is refused.
 * 3. It repeats a POST to go on, and is then told everything again: what it has is dropped here.
 */

globalThis.window = globalThis;
globalThis.document = new EventTarget();

const { fetchEventSource } = await import("@microsoft/fetch-event-source");
const { asked, tell } = await import("./tell.mjs");

class Over extends Error {}

const TERMINAL = new Set(["end", "error", "interrupted", "awaiting_input"]);

const stopping = new AbortController();
let cursor = 0;

function resume(url, { headers, ...init }) {
  const { "last-event-id": _, ...others } = headers;
  if (cursor > 0) others["last-event-id"] = String(cursor);
  return fetch(url, { ...init, headers: others });
}

function take({ id, data }) {
  if (Number(id) <= cursor) return;
  cursor = Number(id);
  tell({ id, data });
  // A GET is told that there is no more (204), a POST is told everything again.
  if (asked.request && TERMINAL.has(JSON.parse(data).event)) stopping.abort();
}

const reading = fetchEventSource(asked.url, {
  ...asked.request,
  fetch: resume,
  signal: stopping.signal,
  openWhenHidden: true,
  onopen: async ({ status }) => {
    if (status === 204) throw new Over();
  },
  onmessage: take,
  onclose: () => {
    throw new Error("the body ended before the turn");
  },
  onerror: (error) => {
    if (error instanceof Over) throw error;
  },
});
await reading.then(
  () => tell({ ended: "stopped" }),
  (error) => tell({ ended: error instanceof Over ? 204 : String(error) }),
);
