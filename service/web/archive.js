/** Opens conversations that are stored, a page of turns at a time. */

import { element } from "./elements.js";
import { aboutWords, drawStream, isCut, isOpen, turnsOf } from "./past_turns.js";
import { TurnView } from "./turn_view.js";

const PAGE = 50;

/** Draws the turns of one conversation. */
export class Archive {
  #api;
  #place;
  #painter;
  #opinion;
  #asked = 0;

  /**
   * @param {Element} place
   * @param {(request_id: string, conversation_id: string) => ?Element} opinion asks for feedback
   */
  constructor(place, painter, api, opinion) {
    this.#place = place;
    this.#painter = painter;
    this.#api = api;
    this.#opinion = opinion;
  }

  /**
   * Reads the last turns of a conversation.
   * @returns {Promise<?{data: ?object, problem: ?object}>} null when another one was asked for since
   */
  async read(id) {
    const asked = (this.#asked += 1);
    const told = await this.#read(id, null);
    return asked === this.#asked ? told : null;
  }

  /** The conversation that is on its way shall not be shown any more. */
  leave() {
    this.#asked += 1;
  }

  /**
   * Draws what was read.
   * @param {(answers: object, question: string) => void} answerCalls
   * @returns {?{view: TurnView, open: ?object, finish: () => void}} the last turn: `open` is its
   *   last stream when that has not ended; it is not drawn until `finish`
   */
  draw({ conversation_id: id, turns: streams, earlier_cursor: cursor }, answerCalls) {
    if (cursor !== null) this.#place.append(this.#earlier(id, cursor));
    const turns = turnsOf(streams);
    const views = turns.map((turn) => this.#turn(id, turn, answerCalls));
    this.#place.append(...views.map(({ view }) => view.element));
    for (const { view, finish } of views.slice(0, -1)) {
      finish();
      view.retire();
    }
    this.#painter.follow();
    return views.at(-1) ?? null;
  }

  /** Reads a page, and those before it until every turn on it is whole. */
  async #read(id, cursor) {
    let told = await this.#page(id, cursor);
    while (told.problem === null && isCut(told.data)) {
      told = together(await this.#page(id, told.data.earlier_cursor), told);
    }
    return told;
  }

  #page(id, cursor) {
    const from = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    return this.#api.get(`/v1/conversations/${encodeURIComponent(id)}?limit=${PAGE}${from}`);
  }

  #turn(id, streams, answerCalls) {
    const last = streams.at(-1);
    const [first] = streams;
    const { question } = first;
    const view = new TurnView(question, this.#painter, (answers) => answerCalls(answers, question));
    view.note(aboutWords(first));
    for (const stream of streams.slice(0, -1)) drawStream(view, stream, false);
    const finish = () => {
      drawStream(view, last, true);
      if (last.outcome !== null) view.ask(this.#opinion(last.request_id, id));
    };
    return { view, open: isOpen(last) ? last : null, finish };
  }

  #earlier(id, cursor) {
    const button = element("button", { type: "button", class: "quiet earlier" }, "Show earlier turns");
    button.addEventListener("click", async () => {
      button.disabled = true;
      const told = await this.#read(id, cursor);
      button.disabled = false;
      // The page shows another conversation since.
      if (!button.isConnected) return;
      if (told.problem !== null) button.textContent = `${told.problem.response} Try again`;
      else this.#prepend(button, id, told.data);
    });
    return button;
  }

  /** Puts earlier turns above, and what is read stays where it is. */
  #prepend(button, id, { turns: streams, earlier_cursor: cursor }) {
    const views = turnsOf(streams).map((turn) => this.#turn(id, turn, null));
    for (const { view, finish } of views) {
      finish();
      view.retire();
    }
    const above = cursor === null ? [] : [this.#earlier(id, cursor)];
    this.#painter.changeAbove(button.nextElementSibling, () => {
      button.replaceWith(...above, ...views.map(({ view }) => view.element));
    });
  }
}

function together(earlier, later) {
  if (earlier.problem !== null) return earlier;
  const turns = [...earlier.data.turns, ...later.data.turns];
  return { ...earlier, data: { ...earlier.data, turns } };
}
