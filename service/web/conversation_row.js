/** One conversation in the list: its title, when it was, and what can be done with it. */

import { element } from "./elements.js";
import { icon } from "./icons.js";
import { counted } from "./ledger.js";
import { whenWord } from "./times.js";

const TITLE_LIMIT = 200;

/** Names a conversation, also one that has no title yet. */
export function titleOf({ title }) {
  return title || "Untitled";
}

/** Draws a conversation; what may not be done has no button. */
export class ConversationRow {
  #note;
  #commands;
  #title = element("span", { class: "title", dir: "auto" });
  #about = element("span", { class: "about" });
  #open;
  #tools = element("span", { class: "tools" });
  #problem = element("p", { class: "problem", role: "alert" });
  #form = null;

  /**
   * @param {{open: ?Function, rename: ?Function, remove: ?Function}} commands null for what may not
   *   be done; `rename` returns why it could not be, or null
   */
  constructor(note, commands) {
    this.#commands = commands;
    this.#open = commands.open
      ? element("button", { type: "button", class: "open" }, this.#title, this.#about)
      : element("span", { class: "open" }, this.#title, this.#about);
    this.element = element("li", { class: "conversation" }, this.#open, this.#tools, this.#problem);
    this.#open.addEventListener("click", () => commands.open?.(this.#note));
    this.#tools.append(
      ...(commands.rename ? [this.#tool("rename", () => this.#edit())] : []),
      ...(commands.remove ? [this.#tool("remove", () => commands.remove(this.#note))] : []),
    );
    this.show(note);
  }

  get note() {
    return this.#note;
  }

  show(note) {
    this.#note = note;
    this.element.dataset.id = note.conversation_id;
    this.#title.textContent = titleOf(note);
    this.#title.title = titleOf(note);
    const whose = note.user_id ? [note.user_id] : [];
    // Turns count when they have ended.
    const turns = note.message_count > 0 ? counted(note.message_count, "turn") : "being answered";
    this.#about.textContent = [whenWord(note.last_message_at), turns, ...whose].join(" · ");
    for (const button of this.#tools.children) {
      const verb = button.dataset.tool === "rename" ? "Rename" : "Delete";
      button.setAttribute("aria-label", `${verb} “${titleOf(note)}”`);
    }
  }

  mark(current) {
    if (current) this.#open.setAttribute("aria-current", "true");
    else this.#open.removeAttribute("aria-current");
  }

  focus() {
    this.#open.focus();
  }

  #tool(name, act) {
    const attributes = { type: "button", class: "quiet tool", "data-tool": name };
    const button = element("button", attributes, icon(name));
    button.addEventListener("click", act);
    return button;
  }

  #edit() {
    const attributes = { type: "text", "aria-label": "Title", maxlength: String(TITLE_LIMIT), dir: "auto" };
    const field = element("input", attributes);
    field.value = this.#note.title;
    const save = element("button", { type: "submit", class: "primary" }, "Save");
    const cancel = element("button", { type: "button", class: "quiet" }, "Cancel");
    this.#form = element("form", { class: "rename", autocomplete: "off" }, field, save, cancel);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#rename(field.value.trim(), save);
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      // It would close the list as well.
      event.stopPropagation();
      this.#leave();
    });
    cancel.addEventListener("click", () => this.#leave());
    this.element.classList.add("editing");
    this.element.prepend(this.#form);
    field.select();
  }

  async #rename(title, save) {
    if (title === "" || save.disabled) return;
    if (title === this.#note.title) {
      this.#leave();
      return;
    }
    save.disabled = true;
    const problem = await this.#commands.rename(this.#note, title);
    save.disabled = false;
    if (problem === null) this.#leave();
    else this.#problem.textContent = `The title was not changed. ${problem.response}`;
  }

  #leave() {
    this.#form?.remove();
    this.#form = null;
    this.#problem.textContent = "";
    this.element.classList.remove("editing");
    this.#tools.querySelector("[data-tool=rename]")?.focus();
  }
}
