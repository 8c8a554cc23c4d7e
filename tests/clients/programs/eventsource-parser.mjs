/** A parser is no client: what is around it is what its users have to write. */

import { setTimeout as pause } from "node:timers/promises";

import { createParser } from "eventsource-parser";

import { asked, tell } from "./tell.mjs";

let cursor = "";
let retryMs = 1_000;

const parser = createParser({
  onEvent: ({ id, data }) => {
    cursor = id ?? cursor;
    tell({ id, data });
  },
  onRetry: (ms) => (retryMs = ms),
});

async function read(body) {
  for await (const text of body.pipeThrough(new TextDecoderStream())) parser.feed(text);
}

for (;;) {
  const headers = cursor === "" ? {} : { "Last-Event-ID": cursor };
  const answer = await fetch(asked.url, { headers }).catch(() => null);
  if (answer?.status === 204) break;
  await (answer && read(answer.body).catch(() => null));
  parser.reset();
  await pause(retryMs);
}
tell({ ended: 204 });
