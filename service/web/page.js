/** The page: who uses it, what they have asked before, and the conversation that they are in. */

import { Account } from "./account.js";
import { Api } from "./api.js";
import { Archive } from "./archive.js";
import { Composer } from "./composer.js";
import { ConversationList } from "./conversation_list.js";
import { Drawer } from "./drawer.js";
import { Feedback } from "./feedback.js";
import { FrameDrawer } from "./frames.js";
import { icon } from "./icons.js";
import { Identity } from "./identity.js";
import { Machine } from "./machine.js";
import { Painter } from "./painter.js";
import { Quotas } from "./quotas.js";
import { Sessions } from "./sessions.js";
import { SignIn } from "./sign_in.js";
import { STATUS } from "./status.js";
import { Talk } from "./talk.js";

const byId = (id) => document.getElementById(id);

const AGAIN_S = 5;

const identity = new Identity();
const api = new Api(() => identity.credential, askWho);
const signIn = new SignIn(enterAs);
const account = new Account(signOut);
const quotas = new Quotas(byId("quotas"));
const painter = new Painter(byId("conversation"));
const sessions = new Sessions((query) => talk.start(query));
const composer = new Composer({
  send: (query) => talk.start(query),
  stop: () => talk.stop(),
  cut: () => talk.cut(),
});
const frames = new FrameDrawer({
  drawer: byId("frames"),
  list: byId("frames-list"),
  toggle: byId("frames-toggle"),
  count: byId("frames-count"),
  copy: byId("frames-copy"),
  close: byId("frames-close"),
});
const drawer = new Drawer({
  drawer: byId("conversations"),
  toggle: byId("conversations-toggle"),
  close: byId("conversations-close"),
  shade: byId("shade"),
  behind: [byId("head"), byId("conversation"), byId("composer"), byId("side")],
});
const list = new ConversationList(
  { list: byId("conversations-list"), more: byId("conversations-more"), notice: byId("conversations-notice") },
  api,
  (action) => identity.may(action),
  { open, removed, listed: (count) => drawer.offer(count > 0 || (drawer.open && identity.may("list_conversations"))) },
);
const archive = new Archive({ place: byId("turns"), scroller: byId("conversation") }, painter, api, opinion);
const talk = new Talk(
  { painter, machine: new Machine(), composer, frames, sessions },
  { token: ({ refused }) => (refused === null ? identity.credential : anotherCredential(refused)) },
  { began, ended, quotas: (left) => quotas.update(left), opinion },
);

// The conversation that the page shows, null for one that is not known to the service yet.
let shown = null;
// What waits until somebody has signed in again.
let waiting = [];

byId("conversations-toggle").prepend(icon("list"));
byId("conversations-close").append(icon("close"));
byId("new-conversation").addEventListener("click", () => begin({ stop: true }));
byId("retry").addEventListener("click", () => talk.retryNow());
byId("to-calls").addEventListener("click", () => talk.toCalls());
addEventListener("online", () => talk.retry());
enter();

/** Asks the service who this is, and shows what they may see. */
async function enter() {
  const problem = await identity.load();
  document.body.dataset.entered = String(problem === null);
  if (problem?.status === 401) askWho(problem);
  else showAll();
  if (problem !== null && problem.status !== 401) comeBack(problem);
}
