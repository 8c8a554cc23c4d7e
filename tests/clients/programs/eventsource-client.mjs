import { createEventSource } from "eventsource-client";

import { asked, tell } from "./tell.mjs";

for await (const { id, data } of createEventSource(asked.url)) tell({ id, data });
tell({ ended: 204 });
