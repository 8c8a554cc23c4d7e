/** The page: one conversation, one turn at a time, and everything that a turn tells about itself. */

import { answer, ask, proofLine } from "./client.js";
import { Composer } from "./composer.js";
import { element } from "./elements.js";
import { FrameDrawer } from "./frames.js";
import { Machine } from "./machine.js";
import { Painter } from "./painter.js";
import { Sessions } from "./sessions.js";
import { ENDINGS, REFUSALS, STATUS } from "./status.js";
import { TurnView } from "./turn_view.js";

const byId = (id) => document.getElementById(id);

const painter = new Painter(byId("conversation"));
const machine = new Machine();
const sessions = new Sessions((query) => start(query));
const composer = new Composer({ send: start, stop, cut: () => turn?.cut() });
const frames = new FrameDrawer({
  drawer: byId("frames"),
  list: byId("frames-list"),
  toggle: byId("frames-toggle"),
  count: byId("frames-count"),
  copy: byId("frames-copy"),
  close: byId("frames-close"),
});

// The stream that is read, and the block of the page in which it is drawn.
let turn = null;
let view = null;
let conversationId = null;
// The last stream of a turn that waits for answers, null when none does.
let pausedId = null;
// How the stream ends where that is not what its terminal event says.
let ending = null;

byId("new-conversation").addEventListener("click", newConversation);
byId("retry").addEventListener("click", retry);
byId("to-calls").addEventListener("click", () => view?.openCalls?.focus());
addEventListener("online", () => turn?.retry());
sessions.load("/v1/info");

function start(query, further = {}) {
  if (turn !== null) {
    say(STATUS.busy);
    return;
  }
  openTurn(query);
  const where = conversationId === null ? {} : { conversation_id: conversationId };
  read(ask({ query, ...where, ...further }), query);
}

/** Lets a turn go on that waits for answers; its next stream is drawn where it has stopped. */
function answerCalls(answers, query) {
  if (turn !== null) return;
  frames.divide("Answers sent: a new stream of the same turn");
  beginWaiting(STATUS.sending);
  read(answer(pausedId, answers), query);
}

async function read(current, query) {
  turn = current;
  ending = null;
  for await (const notice of current) {
    // The reader has gone to another conversation; this turn has nothing to draw on any more.
    if (turn !== current) return;
    try {
      REACTIONS[notice.kind](notice, query);
    } catch {
      // One event that is not as documented must not hide those that follow.
      view.remark("An event could not be shown; the raw frames have it.", "bad");
    }
  }
}

function openTurn(query) {
  view?.retire();
  pausedId = null;
  view = new TurnView(query, painter, (answers) => answerCalls(answers, query));
  byId("welcome").hidden = true;
  sessions.leaveWelcome();
  byId("turns").append(view.element);
  painter.follow();
  machine.begin("Waiting for the first event.");
  beginWaiting(STATUS.connecting);
}

function beginWaiting(status) {
  composer.waiting();
  byId("to-calls").hidden = true;
  document.body.dataset.turn = "running";
  document.body.dataset.reconnections = "0";
  say(status);
}

const REACTIONS = {
  open: (notice, query) => {
    frames.note(`${notice.method} ${notice.path} → ${notice.status}`);
    byId("retry").hidden = true;
    if (notice.recording !== null) view.played(sessions.picked(notice.recording, query));
    if (notice.status !== 200) return;
    if (view.openCalls !== null) goOn();
    composer.connected();
    document.body.dataset.reconnections = String(turn.reconnections);
    if (turn.reconnections > 0) view.remark(`Resumed after event ${notice.resumedAfter}.`);
    say(notice.resumedAfter === null ? STATUS.answering : STATUS.resumed(notice.resumedAfter));
  },
  frame: ({ raw }) => frames.add(raw),
  event: ({ event, data, states }) => {
    if (event === "start") conversationId = data.conversation_id;
    if (event === "tool_call") say(STATUS.tool(data.token?.tool_name));
    if (event === "tool_result") say(STATUS.answering);
    view.show(event, data);
    if (event === "end" && data.finish_reason in REFUSALS) {
      ending = { name: "end", status: REFUSALS[data.finish_reason] };
    }
    if (view.openCalls !== null) pause();
    machine.move(states);
    painter.soon(machine.showState);
    painter.soon(showCount);
  },
  gap: ({ from, to }) => view.lose(from, to),
  withdrawn: ({ from, to }) => view.withdraw(from, to),
  unreadable: ({ id }) => view.remark(`Event ${id ?? "without a number"} is not readable.`, "bad"),
  unavailable: ({ response }) => view.remark(STATUS.unavailable(response), "bad"),
  lost: (notice) => {
    composer.waiting();
    frames.note(`connection ended after event ${notice.after}: ${notice.reason ?? "lost"}`);
    view.remark(STATUS.lost(notice));
    say(STATUS.lost(notice));
  },
  gave_up: ({ after }) => {
    composer.waiting();
    byId("retry").hidden = false;
    say(STATUS.gaveUp(after));
  },
  refused: (notice, query) => refuse({ ...notice, status_code: notice.status }, query),
  proof: ({ proof, terminal }) => {
    // What still waits to be drawn must not overwrite the verdict.
    painter.flush();
    if (proof.events > 0) {
      machine.prove(proofLine(proof, turn.reconnections), proof.whole ? "good" : "bad");
    } else if (pausedId === null) machine.prove("No events: there was no stream.", "open");
    if (turn.reconnections > 0 && proof.whole) view.remark(STATUS.whole(proof), "good");
    close(ending ?? ENDINGS[terminal] ?? unsaid(proof.events));
  },
};

function pause() {
  pausedId = turn.requestId;
  ending = { name: "awaiting_input", status: STATUS.waits };
}

/** How a stream ends that did not tell its end. */
function unsaid(events) {
  if (events > 0) return ENDINGS.none;
  return pausedId === null ? ENDINGS.unheard : ENDINGS.unanswered;
}

/** The service has taken the answers, and the machine starts again at idle. */
function goOn() {
  pausedId = null;
  view.goOn();
  machine.begin("Waiting for the first event.");
}

function refuse(problem, query) {
  if (problem.code === "conversation_unknown") {
    view.refuseConversation(problem, onceMore(query, askAnew));
    ending = { name: "error", status: STATUS.unknown };
  } else if (problem.code === "conversation_busy" && pausedId === null) {
    view.refuseBusy(problem, onceMore(query, askInstead));
    ending = { name: "error", status: STATUS.otherRuns };
  } else {
    view.refuse(problem);
    if (pausedId === null) ending = { name: "error", status: STATUS.failed(problem.code) };
    else ending = { name: view.openCalls ? "awaiting_input" : "error", status: STATUS.untaken(problem.code) };
  }
}

/** Asks the question of the last turn again, unless the conversation has gone on since. */
function onceMore(query, go) {
  const refused = view;
  return () => {
    if (view !== refused || turn !== null) return;
    byId("conversation").focus({ preventScroll: true });
    go(query);
  };
}

/** Begins another conversation below the old one, whose last question the service did not take. */
function askAnew(query) {
  view.element.replaceWith(element("p", { class: "divider" }, "A new conversation begins here"));
  view = null;
  conversationId = null;
  start(query);
}

/** Stops the turn that keeps the conversation busy, and asks the question again. */
function askInstead(query) {
  view.element.remove();
  view = null;
  start(query, { if_busy: "interrupt" });
}

function close({ name, status }) {
  view.close();
  machine.showState();
  turn = null;
  composer.idle();
  byId("retry").hidden = true;
  byId("to-calls").hidden = view.openCalls === null;
  say(status);
  // Last, because it tells whoever waits that everything else is in its place.
  document.body.dataset.turn = name;
}

async function stop() {
  say(STATUS.stopping);
  const { ok, message } = await turn.stop();
  if (turn !== null) say(ok ? message || STATUS.stopping : STATUS.stopFailed(message));
}

function retry() {
  byId("retry").hidden = true;
  composer.focus();
  say(STATUS.connecting);
  turn?.retry();
}

function newConversation() {
  turn?.stop();
  turn?.leave();
  turn = null;
  view = null;
  pausedId = null;
  conversationId = null;
  byId("turns").replaceChildren();
  byId("welcome").hidden = false;
  sessions.enterWelcome();
  machine.begin("No events yet.");
  frames.clear();
  composer.idle();
  composer.focus();
  byId("retry").hidden = true;
  byId("to-calls").hidden = true;
  document.body.dataset.turn = "idle";
  document.body.dataset.reconnections = "0";
  say(STATUS.ready);
}

function showCount() {
  // Drawing may lag behind the end of a turn, whose proof must stand.
  if (turn !== null) machine.count(turn.soFar);
}

/** Writes the status line; screen readers hear it, so it is kept to what has changed. */
function say(text) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
}
