/** The list of conversations: the newest first, a page at a time. */

import { confirmed } from "./confirmation.js";
import { ConversationRow, titleOf } from "./conversation_row.js";
import { element } from "./elements.js";
import { counted } from "./ledger.js";

const ROUTE = "/v1/conversations";
const PAGE = 20;
// A title is made beside the first turn, and comes some time after its end.
const TITLE_AFTER_MS = [2_500, 10_000];

const pathOf = (id) => `${ROUTE}/${encodeURIComponent(id)}`;

/** Lists what the service keeps, and changes it there. */
export class ConversationList {
  #api;
  #may;
  #told;
  #list;
  #more;
  #notice;
  #rows = new Map();
  #cursor = null;
  #current = null;
  #loading = 0;

  /**
   * @param {{list: Element, more: Element, notice: Element}} places
   * @param {(action: string) => boolean} may
   * @param {{open: Function, removed: Function, listed: Function}} told `listed` is called with how
   *   many there are, null when that is not known or not for the user to know
   */
  constructor({ list, more, notice }, api, may, told) {
    this.#api = api;
    this.#may = may;
    this.#told = told;
    this.#list = list;
    this.#more = more;
    this.#notice = notice;
    more.addEventListener("click", () => this.#loadMore());
  }

  /** How many conversations are listed. */
  get size() {
    return this.#rows.size;
  }

  /** Brings the list up to date; what was loaded further down stays. */
  async load() {
    if (!this.#may("list_conversations")) {
      this.#told.listed(null);
      return;
    }
    const turn = (this.#loading += 1);
    const { data, problem } = await this.#api.get(`${ROUTE}?limit=${PAGE}`);
    // Somebody has asked again.
    if (turn !== this.#loading) return;
    if (problem !== null) this.#fail(problem);
    else this.#merge(data);
  }

  /** A conversation has begun, and gets its title soon. */
  async loadTitled() {
    await this.load();
    for (const delayMs of TITLE_AFTER_MS) setTimeout(() => this.load(), delayMs);
  }

  /** Marks the conversation that the page shows, none for null. */
  mark(id) {
    this.#current = id;
    for (const [each, row] of this.#rows) row.mark(each === id);
  }

  /** Takes a conversation out that is no longer there. */
  drop(id) {
    this.#rows.get(id)?.element.remove();
    if (this.#rows.delete(id)) this.#tell();
  }

  clear() {
    this.#rows.clear();
    this.#cursor = null;
    this.#list.replaceChildren();
    this.#more.hidden = true;
    this.#more.disabled = false;
    this.#notice.replaceChildren();
    this.#told.listed(null);
  }

  async #loadMore() {
    this.#more.disabled = true;
    const { data, problem } = await this.#api.get(`${ROUTE}?limit=${PAGE}&cursor=${encodeURIComponent(this.#cursor)}`);
    this.#more.disabled = false;
    if (problem !== null) {
      this.#fail(problem);
      return;
    }
    const first = data.conversations.find((note) => !this.#rows.has(note.conversation_id));
    for (const note of data.conversations) this.#row(note);
    this.#cursor = data.next_cursor;
    this.#arrange();
    this.#rows.get(first?.conversation_id)?.focus();
  }

  /** What the first page reaches is as it says; what is older was loaded before. */
  #merge({ conversations, next_cursor: cursor }) {
    const told = new Set(conversations.map(({ conversation_id: id }) => id));
    const oldest = cursor === null ? "" : (conversations.at(-1)?.last_message_at ?? "");
    for (const [id, { note }] of this.#rows) {
      if (!told.has(id) && note.last_message_at >= oldest) this.#rows.delete(id);
    }
    if (![...this.#rows.keys()].some((id) => !told.has(id))) this.#cursor = cursor;
    for (const note of conversations) this.#row(note);
    this.#arrange();
  }

  #row(note) {
    const known = this.#rows.get(note.conversation_id);
    if (known) known.show(note);
    else this.#rows.set(note.conversation_id, new ConversationRow(note, this.#commands()));
  }

  #arrange() {
    const rows = [...this.#rows].sort(([, one], [, other]) => newerFirst(one.note, other.note));
    this.#rows = new Map(rows);
    const elements = rows.map(([, row]) => row.element);
    const shown = [...this.#list.children];
    if (elements.length !== shown.length || elements.some((each, at) => each !== shown[at])) {
      const focused = document.activeElement;
      this.#list.replaceChildren(...elements);
      if (this.#list.contains(focused)) focused.focus({ preventScroll: true });
    }
    this.mark(this.#current);
    this.#tell();
  }

  #tell() {
    const { size } = this.#rows;
    this.#more.hidden = this.#cursor === null;
    this.#notice.replaceChildren(...(size === 0 ? ["No conversations yet."] : []));
    this.#told.listed(size);
  }

  #fail({ status, response }) {
    this.#told.listed(status === 403 ? null : this.#rows.size);
    const again = element("button", { type: "button", class: "quiet" }, "Try again");
    again.addEventListener("click", () => this.load());
    this.#notice.replaceChildren(element("span", {}, `The list cannot be shown. ${response}`), again);
  }

  #commands() {
    return {
      open: this.#may("get_conversation") ? (note) => this.#told.open(note) : null,
      rename: this.#may("update_conversation") ? (note, title) => this.#rename(note, title) : null,
      remove: this.#may("delete_conversation") ? (note) => this.#remove(note) : null,
    };
  }

  async #rename({ conversation_id: id }, title) {
    const { data, problem } = await this.#api.call("PATCH", pathOf(id), { title });
    if (problem === null) this.#row(data);
    return problem;
  }

  async #remove(note) {
    const { conversation_id: id, message_count: turns } = note;
    const turnsToo = turns > 0 ? ` and its ${counted(turns, "turn")}` : "";
    const text = `“${titleOf(note)}”${turnsToo} will be deleted here and at the upstream. This cannot be undone.`;
    const gone = await confirmed("Delete this conversation?", text, "Delete", async () => {
      const { problem } = await this.#api.call("DELETE", pathOf(id));
      // Gone is gone, whoever has deleted it.
      return problem?.code === "conversation_unknown" ? null : problem;
    });
    if (!gone) return;
    const next = this.#rows.get(id)?.element.nextElementSibling?.querySelector(".open");
    this.drop(id);
    (next ?? this.#list).focus();
    this.#told.removed(id);
  }
}

function newerFirst(one, other) {
  if (one.last_message_at !== other.last_message_at) return one.last_message_at < other.last_message_at ? 1 : -1;
  return one.conversation_id < other.conversation_id ? 1 : -1;
}
