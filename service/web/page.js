/** The page: one conversation, one turn at a time, and everything that a turn tells about itself. */

import { ask } from "./client.js";
import { Composer } from "./composer.js";
import { Diagram } from "./diagram.js";
import { FrameDrawer } from "./frames.js";
import { counted, gapPhrase, proofLine } from "./ledger.js";
import { Painter } from "./painter.js";
import { Sessions } from "./sessions.js";
import { ENDINGS, STATUS } from "./status.js";
import { TurnView } from "./turn_view.js";

const byId = (id) => document.getElementById(id);
const PHONE = matchMedia("(max-width: 55rem)");

const painter = new Painter(byId("conversation"));
const diagram = new Diagram(byId("diagram"), byId("path"));
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

let turn = null;
let view = null;
let conversationId = null;
let refusal = null;

byId("new-conversation").addEventListener("click", newConversation);
byId("retry").addEventListener("click", retry);
addEventListener("online", () => turn?.requestId && turn.retry());
byId("diagram-fold").open = !PHONE.matches;
PHONE.addEventListener("change", ({ matches }) => (byId("diagram-fold").open = !matches));
byId("diagram-names").addEventListener("click", toggleNames);
diagram.load("/diagram.svg");
sessions.load("/v1/info");

async function start(query) {
  if (turn !== null) {
    say(STATUS.busy);
    return;
  }
  openTurn(query);
  const current = ask(conversationId === null ? { query } : { query, conversation_id: conversationId });
  turn = current;
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
  refusal = null;
  view = new TurnView(query, painter);
  byId("welcome").hidden = true;
  sessions.leaveWelcome();
  byId("turns").append(view.element);
  painter.follow();
  diagram.reset();
  showState();
  composer.waiting();
  document.body.dataset.turn = "running";
  document.body.dataset.reconnections = "0";
  showProof("Waiting for the first event.", "open");
  say(STATUS.connecting);
}

const REACTIONS = {
  open: (notice, query) => {
    frames.note(`${notice.method} ${notice.path} → ${notice.status}`);
    byId("retry").hidden = true;
    if (notice.recording !== null) view.played(sessions.picked(notice.recording, query));
    if (notice.status !== 200) return;
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
    diagram.move(states);
    painter.soon(showState);
    painter.soon(showCount);
  },
  gap: ({ from, to }) => view.lose(from, to),
  unreadable: ({ id }) => view.remark(`Event ${id ?? "without a number"} is not readable.`, "bad"),
  lost: (notice) => {
    composer.waiting();
    frames.note(notice.deliberate ? `connection cut after event ${notice.after}` : "connection lost");
    view.remark(STATUS.lost(notice));
    say(STATUS.lost(notice));
  },
  gave_up: ({ after }) => {
    composer.waiting();
    byId("retry").hidden = false;
    say(STATUS.gaveUp(after));
  },
  refused: (problem) => {
    view.refuse({ ...problem, status_code: problem.status });
    refusal = { name: "error", status: STATUS.failed(problem.code) };
  },
  proof: ({ proof, terminal }) => {
    // What still waits to be drawn must not overwrite the verdict.
    painter.flush();
    if (proof.events === 0) showProof("No events: there was no stream.", "open");
    else showProof(proofLine(proof, turn.reconnections), proof.whole ? "good" : "bad");
    if (turn.reconnections > 0 && proof.whole) view.remark(STATUS.whole(proof), "good");
    const unsaid = proof.events === 0 ? ENDINGS.unheard : ENDINGS.none;
    close(refusal ?? ENDINGS[terminal] ?? unsaid);
  },
};

function close({ name, status }) {
  view.close();
  showState();
  turn = null;
  composer.idle();
  byId("retry").hidden = true;
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
  conversationId = null;
  byId("turns").replaceChildren();
  byId("welcome").hidden = false;
  sessions.enterWelcome();
  diagram.reset();
  showState();
  frames.clear();
  composer.idle();
  composer.focus();
  byId("retry").hidden = true;
  document.body.dataset.turn = "idle";
  document.body.dataset.reconnections = "0";
  showProof("No events yet.", "open");
  say(STATUS.ready);
}

/** Event names need room, so the panel grows as long as they are shown. */
function toggleNames({ currentTarget }) {
  const shown = document.body.classList.toggle("named");
  currentTarget.setAttribute("aria-pressed", String(shown));
}

function showState() {
  const { state } = byId("diagram").dataset;
  byId("current-state").textContent = state;
  byId("current-state").dataset.state = state;
}

function showCount() {
  // Drawing may lag behind the end of a turn, whose proof must stand.
  if (turn === null) return;
  const { soFar } = turn;
  showProof(`${counted(soFar.events, "event")} so far, ${gapPhrase(soFar)}`, "open");
}

function showProof(text, verdict) {
  byId("proof").textContent = text;
  byId("proof").dataset.verdict = verdict;
}

/** Writes the status line; screen readers hear it, so it is kept to what has changed. */
function say(text) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
}
