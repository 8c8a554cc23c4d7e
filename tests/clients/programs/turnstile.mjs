/** The client of the service itself, as it is served to pages. */

import { asked, tell } from "./tell.mjs";

const { ask, follow } = await import(asked.client);

const turn = asked.follow ? follow(asked.follow, asked.options) : ask(asked.body, asked.options);
if (asked.stopAt === 0) await turn.stop();
for await (const notice of turn) {
  if (notice.kind !== "frame") tell(notice);
  if (notice.kind === "event" && notice.id === asked.stopAt) tell({ kind: "stopped", ...(await turn.stop()) });
  if (notice.kind === "gave_up") break;
}
