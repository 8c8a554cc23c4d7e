/** The client of the service itself, as it is served to pages. */

import { asked, tell } from "./tell.mjs";

const { ask, eventSourceUrl, follow } = await import(asked.client);

/** Gives one prepared token after another and tells why it was asked for; "!" fails. */
function tokens(prepared) {
  let last = null;
  return async ({ refused }) => {
    if (refused === null && last !== null) return last;
    last = prepared.shift() ?? null;
    tell({ kind: "token", refused, token: last });
    if (last === "never") return new Promise(() => {});
    if (last !== "!") return last;
    last = null;
    throw new Error("no token for now");
  };
}

const options = { ...asked.options, ...(asked.tokens && { token: tokens(asked.tokens) }) };
const turn = asked.follow ? follow(asked.follow, options) : ask(asked.body, options);
if (asked.stopAt === 0) await turn.stop();
for await (const notice of turn) {
  if (notice.kind !== "frame") tell(notice);
  if (notice.kind === "event" && notice.id === asked.stopAt) tell({ kind: "stopped", ...(await turn.stop()) });
  if (notice.kind === "unavailable" && asked.leave) setTimeout(() => turn.leave(), 0);
  if (notice.kind === "gave_up") break;
}
if (asked.address) {
  const { requestId, ticket, lastId } = turn;
  tell({ kind: "address", url: eventSourceUrl(requestId, { ticket, base: asked.options.base, after: lastId }) });
}
