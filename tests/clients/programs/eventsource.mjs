/** It does not keep node alive while it waits to connect again: a program has to do that itself. */

import { EventSource } from "eventsource";

import { asked, tell } from "./tell.mjs";

const alive = setInterval(() => {}, 60_000);

const source = new EventSource(asked.url);
source.onmessage = ({ lastEventId, data }) => tell({ id: lastEventId, data });
source.onerror = ({ code }) => {
  if (source.readyState !== EventSource.CLOSED) return;
  tell({ ended: code });
  clearInterval(alive);
};
