/** One conversation on the page, one turn at a time, and everything that a turn tells. */

import { answer, ask, follow, proofLine } from "./client.js";
import { element } from "./elements.js";
import { Progress } from "./progress.js";
import { ENDINGS, REFUSALS, STATUS } from "./status.js";
import { TurnView } from "./turn_view.js";

const byId = (id) => document.getElementById(id);

const STORED = new Set(["end", "error", "interrupted"]);

/** Asks and watches; what it shows elsewhere on the page is given to it. */
export class Talk {
  // The stream that is read, and the block of the page in which it is drawn.
  #turn = null;
  #view = null;
  #conversationId = null;
  // The last stream of a turn that waits for answers, null when none does.
  #pausedId = null;
  // How the stream ends where that is not what its terminal event says.
  #ending = null;
  // Draws a followed turn as it was stored, null once it has said something itself.
  #stored = null;
  #parts;
  #progress;
  #options;
  #told;

  /**
   * @param {{painter, machine, composer, frames, sessions}} parts of the page
   * @param {object} options of the client
   * @param {{began: Function, ended: Function, quotas: Function, opinion: Function,
   *   mayStop: () => boolean}} told `began` and `ended` are called with the id of the conversation
   */
  constructor(parts, options, told) {
    this.#parts = parts;
    this.#progress = new Progress(parts.composer);
    this.#options = options;
    this.#told = told;
  }

  start(query, further = {}) {
    if (this.#turn !== null) {
      this.say(STATUS.busy);
      return;
    }
    this.#openTurn(query);
    const where = this.#conversationId === null ? {} : { conversation_id: this.#conversationId };
    this.#read(ask({ query, ...where, ...further }, this.#options), query);
  }

  cut() {
    this.#turn?.cut();
  }

  async stop() {
    this.say(STATUS.stopping);
    const turn = this.#turn;
    const { ok, message } = await turn.stop();
    if (this.#turn === turn) this.say(ok ? message || STATUS.stopping : STATUS.stopFailed(message));
  }

  /** Tries at once what waits for its next try. */
  retry() {
    this.#turn?.retry();
  }

  toCalls() {
    this.#view?.openCalls?.focus();
  }

  /** Begins with nothing; what still runs is left alone, or stopped with `stop`. */
  clear({ stop = false } = {}) {
    if (stop) this.#turn?.stop();
    this.#turn?.leave();
    this.#turn = null;
    this.#view = null;
    this.#pausedId = null;
    this.#stored = null;
    this.#conversationId = null;
    const { painter, sessions, machine, frames } = this.#parts;
    byId("turns").replaceChildren();
    byId("welcome").hidden = false;
    sessions.enterWelcome();
    painter.rest();
    machine.begin("No events yet.");
    frames.clear();
    this.#progress.idle();
  }

  /** Goes on with a stored conversation, and with its last turn where that has not ended. */
  show(conversation, archive, mayFollow) {
    this.clear();
    this.#leaveWelcome();
    this.#conversationId = conversation.conversation_id;
    const last = archive.draw(conversation, (answers, query) => this.#answerCalls(answers, query));
    this.#view = last?.view ?? null;
    this.#parts.machine.begin("Stored turns; nothing is streamed.");
    this.say(STATUS.opened);
    if (last === null) return;
    if (last.open === null || !mayFollow) {
      last.finish();
      return;
    }
    this.#stored = last.finish;
    this.#progress.begin(STATUS.following);
    this.#read(follow(last.open.request_id, this.#options), last.open.question);
  }

  say(text) {
    this.#progress.say(text);
  }

  /** Lets a turn go on that waits for answers; its next stream is drawn where it has stopped. */
  #answerCalls(answers, query) {
    if (this.#turn !== null) return;
    this.#parts.frames.divide("Answers sent: a new stream of the same turn");
    this.#progress.begin(STATUS.sending);
    this.#read(answer(this.#pausedId, answers, this.#options), query);
  }

  async #read(current, query) {
    this.#turn = current;
    this.#ending = null;
    for await (const notice of current) {
      // The reader has gone to another conversation; this turn has nothing to draw on any more.
      if (this.#turn !== current) return;
      try {
        this.#reactions[notice.kind](notice, query);
      } catch {
        // One event that is not as documented must not hide those that follow.
        this.#view.remark("An event could not be shown; the raw frames have it.", "bad");
      }
    }
  }

  #openTurn(query) {
    this.#view?.retire();
    this.#pausedId = null;
    const { painter, machine } = this.#parts;
    this.#view = new TurnView(query, painter, (answers) => this.#answerCalls(answers, query));
    this.#leaveWelcome();
    byId("turns").append(this.#view.element);
    painter.follow();
    machine.begin("Waiting for the first event.");
    this.#progress.begin(STATUS.connecting);
  }

  #leaveWelcome() {
    byId("welcome").hidden = true;
    this.#parts.sessions.leaveWelcome();
  }

  #reactions = {
    __proto__: null,
    open: (notice, query) => {
      const { frames, sessions } = this.#parts;
      const { reconnections } = this.#turn;
      frames.note(`${notice.method} ${notice.path} → ${notice.status}`);
      this.#progress.heard();
      if (notice.recording !== null) this.#view.played(sessions.picked(notice.recording, query));
      if (notice.status !== 200) return;
      if (this.#view.openCalls !== null) this.#goOn();
      this.#progress.connected(reconnections);
      if (reconnections > 0) this.#view.remark(`Resumed after event ${notice.resumedAfter}.`);
      this.say(notice.resumedAfter ? STATUS.resumed(notice.resumedAfter) : STATUS.answering);
    },
    frame: ({ raw }) => this.#parts.frames.add(raw),
    event: ({ event, data, states, quotas }) => {
      this.#stored = null;
      if (event === "start") this.#begin(data.conversation_id);
      if (event === "tool_call") this.say(STATUS.tool(data.token?.tool_name));
      if (event === "tool_result") this.say(STATUS.answering);
      if (quotas !== null) this.#told.quotas(quotas);
      this.#view.show(event, data);
      if (event === "end" && data.finish_reason in REFUSALS) {
        this.#ending = { name: "end", status: REFUSALS[data.finish_reason] };
      }
      if (STORED.has(event) && data.stored) this.#askOpinion();
      if (this.#view.openCalls !== null) this.#pause();
      const { machine, painter } = this.#parts;
      machine.move(states);
      painter.soon(machine.showState);
      painter.soon(this.#showCount);
    },
    gap: ({ from, to }) => this.#view.lose(from, to),
    withdrawn: ({ from, to }) => this.#view.withdraw(from, to),
    unreadable: ({ id }) => this.#view.remark(`Event ${id ?? "without a number"} is not readable.`, "bad"),
    unavailable: ({ response }) => this.#view.remark(STATUS.unavailable(response), "bad"),
    lost: (notice) => {
      this.#parts.frames.note(`connection ended after event ${notice.after}: ${notice.reason ?? "lost"}`);
      this.#view.remark(STATUS.lost(notice), "lost");
      this.#progress.lost(STATUS.lost(notice));
    },
    gave_up: ({ after }) => this.#progress.gaveUp(STATUS.gaveUp(after)),
    refused: (notice, query) => this.#refuse({ ...notice, status_code: notice.status }, query),
    proof: ({ proof, terminal }) => {
      const { painter, machine } = this.#parts;
      // What still waits to be drawn must not overwrite the verdict.
      painter.flush();
      const { reconnections } = this.#turn;
      if (proof.events > 0) machine.prove(proofLine(proof, reconnections), proof.whole ? "good" : "bad");
      else if (this.#pausedId === null) machine.prove("No events: there was no stream.", "open");
      if (reconnections > 0 && proof.whole) this.#view.remark(STATUS.whole(proof), "good");
      this.#close(this.#ending ?? ENDINGS[terminal] ?? this.#unsaid(proof.events));
    },
  };

  #begin(conversationId) {
    this.#conversationId = conversationId;
    this.#told.began(conversationId);
  }

  #askOpinion() {
    this.#view.ask(this.#told.opinion(this.#turn.requestId, this.#conversationId));
  }

  #pause() {
    this.#pausedId = this.#turn.requestId;
    this.#ending = { name: "awaiting_input", status: STATUS.waits };
  }

  /** How a stream ends that did not tell its end. */
  #unsaid(events) {
    if (this.#stored !== null) return ENDINGS.past;
    if (events > 0) return ENDINGS.none;
    return this.#pausedId === null ? ENDINGS.unheard : ENDINGS.unanswered;
  }

  /** The service has taken the answers, and the machine starts again at idle. */
  #goOn() {
    this.#pausedId = null;
    this.#view.goOn();
    this.#parts.machine.begin("Waiting for the first event.");
  }

  #refuse(problem, query) {
    const view = this.#view;
    if (this.#stored !== null) {
      this.#ending = ENDINGS.past;
    } else if (problem.code === "conversation_unknown") {
      view.refuseConversation(problem, this.#onceMore(query, () => this.#askAnew(query)));
      this.#ending = { name: "error", status: STATUS.unknown };
    } else if (problem.code === "conversation_busy" && this.#pausedId === null && this.#told.mayStop()) {
      view.refuseBusy(problem, this.#onceMore(query, () => this.#askInstead(query)));
      this.#ending = { name: "error", status: STATUS.otherRuns };
    } else {
      view.refuse(problem);
      this.#ending = this.#refusal(problem);
    }
  }

  #refusal({ code }) {
    if (this.#pausedId === null) return { name: "error", status: STATUS.failed(code) };
    return { name: this.#view.openCalls ? "awaiting_input" : "error", status: STATUS.untaken(code) };
  }

  /** Asks the question of the last turn again, unless the conversation has gone on since. */
  #onceMore(query, go) {
    const refused = this.#view;
    return () => {
      if (this.#view !== refused || this.#turn !== null) return;
      byId("conversation").focus({ preventScroll: true });
      go(query);
    };
  }

  /** Begins another conversation below the old one, whose last question the service did not take. */
  #askAnew(query) {
    this.#view.element.replaceWith(element("p", { class: "divider" }, "A new conversation begins here"));
    this.#view = null;
    this.#conversationId = null;
    this.start(query);
  }

  /** Stops the turn that keeps the conversation busy, and asks the question again. */
  #askInstead(query) {
    this.#view.element.remove();
    this.#view = null;
    this.start(query, { if_busy: "interrupt" });
  }

  #close(ending) {
    if (this.#stored !== null) this.#stored();
    this.#stored = null;
    this.#view.close();
    this.#parts.machine.showState();
    this.#turn = null;
    this.#told.ended(this.#conversationId);
    this.#progress.close(ending, this.#view.openCalls !== null);
  }

  #showCount = () => {
    // Drawing may lag behind the end of a turn, whose proof must stand.
    if (this.#turn !== null) this.#parts.machine.count(this.#turn.soFar);
  };
}
