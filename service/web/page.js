/** The page: who uses it, what they have asked before, and the conversation that they are in. */

import { Archive } from "./archive.js";
import { Composer } from "./composer.js";
import { ConversationList } from "./conversation_list.js";
import { Drawer } from "./drawer.js";
import { Entry } from "./entry.js";
import { Feedback } from "./feedback.js";
import { FrameDrawer } from "./frames.js";
import { icon } from "./icons.js";
import { forget, lastShown, remember } from "./last_shown.js";
import { Machine } from "./machine.js";
import { Painter } from "./painter.js";
import { Quotas } from "./quotas.js";
import { Sessions } from "./sessions.js";
import { STATUS } from "./status.js";
import { Talk } from "./talk.js";

const byId = (id) => document.getElementById(id);

const entry = new Entry({ entered, left });
const { api } = entry;
const quotas = new Quotas(byId("quotas"), api);
const painter = new Painter(byId("conversation"), [byId("composer"), byId("sign-in")]);
const sessions = new Sessions(ask);
const composer = new Composer({
  send: ask,
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
  behind: ["head", "conversation", "composer", "sign-in", "side"].map(byId),
});
const list = new ConversationList(
  {
    list: byId("conversations-list"),
    more: byId("conversations-more"),
    notice: byId("conversations-notice"),
  },
  api,
  (action) => entry.may(action),
  { open: pick, removed, listed },
);
const archive = new Archive(byId("turns"), painter, api, opinion);
const talk = new Talk(
  { painter, machine: new Machine(), composer, frames, sessions },
  { token: entry.token },
  { began, ended, quotas: (left) => quotas.update(left), opinion, mayStop: () => entry.may("interrupt") },
);

// The conversation that the page shows, null for a new one, and whether it was begun here.
let shown = null;
let fresh = false;
// Whether the service has not said yet who uses the page.
let unsaid = false;

byId("conversations-toggle").prepend(icon("list"));
byId("conversations-close").append(icon("close"));
byId("new-conversation").addEventListener("click", () => beginAnew({ stop: true }));
byId("retry").addEventListener("click", retry);
byId("to-calls").addEventListener("click", () => talk.toCalls());
addEventListener("online", () => talk.retry());
await entry.enter();
// The first thing that most people do; whoever has gone elsewhere meanwhile stays there.
if (document.activeElement === document.body) composer.focus();

/** Shows what whoever has entered may see. */
async function entered(problem) {
  const mayAsk = entry.may("streaming_query");
  if (problem !== null) talk.say(STATUS.notEntered(problem));
  else if (unsaid) talk.say(STATUS.ready);
  unsaid = problem !== null;
  composer.permit({ ask: mayAsk, stop: entry.may("interrupt") });
  // Nobody is taken for somebody else while the service cannot tell.
  if (problem === null || problem.status === 403) comeBack();
  if (entry.may("info")) sessions.load(api, mayAsk);
  if (entry.may("get_quotas")) quotas.load();
  await list.load();
  if (list.size > 0) drawer.openBeside();
}

/** Nothing stays of whoever was here, but what they find again when they sign in after a reload. */
function left() {
  if (!entry.signedIn) forget();
  leave({ stop: false });
  composer.clear();
  sessions.clear();
  quotas.clear();
  list.clear();
}

function retry() {
  composer.focus();
  talk.say(STATUS.connecting);
  talk.retry();
}

function ask(query) {
  if (composer.held) {
    talk.say(STATUS.stillOpening);
    return;
  }
  // A new conversation takes the place of one that could not be shown again yet.
  if (shown === null) forget();
  talk.start(query);
}

function beginAnew({ stop }) {
  forget();
  leave({ stop });
}

function leave({ stop }) {
  archive.leave();
  composer.hold(false);
  talk.clear({ stop });
  show(null);
  composer.focus();
}

async function pick({ conversation_id: id }) {
  const told = await open(id);
  if (told === null) return;
  if (told.problem !== null) talk.say(STATUS.notOpened(told.problem.response));
  // A question may have been begun meanwhile.
  else if (!composer.focused) byId("conversation").focus({ preventScroll: true });
}

/** Shows what was shown before the page was loaded anew. */
async function comeBack() {
  const id = lastShown(entry.user);
  // Whoever has picked one meanwhile wants that.
  if (id === null || shown !== null || composer.held || !entry.may("get_conversation")) return;
  const told = await open(id);
  if (told === null || told.problem === null) return;
  const gone = told.problem.code === "conversation_unknown";
  if (gone) forget();
  talk.say(gone ? STATUS.ready : STATUS.notOpened(told.problem.response));
}

/** Shows a conversation when it can be read; returns null when another one was asked for since. */
async function open(id) {
  drawer.closeOver();
  talk.say(STATUS.opening);
  composer.hold(true);
  const told = await archive.read(id);
  if (told === null) return null;
  composer.hold(false);
  if (told.problem?.code === "conversation_unknown") list.drop(id);
  if (told.problem === null) {
    talk.show(told.data, archive, entry.may("streaming_query"));
    show(id);
    remember(entry.user, id);
  }
  return told;
}

function show(id) {
  shown = id;
  fresh = false;
  list.mark(id);
}

function listed(count) {
  drawer.offer(count > 0 || (count !== null && entry.signedIn));
}

function removed(id) {
  if (id === shown) beginAnew({ stop: false });
  // With the last one the list is gone, and the focus that was in it.
  else if (!drawer.open) composer.focus();
}

function began(id) {
  const known = id === shown;
  fresh ||= !known;
  shown = id;
  remember(entry.user, id);
  list.mark(id);
  if (!known) list.load();
}

function ended(id) {
  if (entry.may("get_quotas")) quotas.refresh();
  if (id === null) return;
  if (fresh) list.loadTitled();
  else list.load();
  fresh = false;
}

/** Asks for feedback on a turn, where that may be given. */
function opinion(requestId, conversationId) {
  if (!entry.may("feedback")) return null;
  return new Feedback(api, { request_id: requestId, conversation_id: conversationId }).element;
}
