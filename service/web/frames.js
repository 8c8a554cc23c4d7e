/** The drawer of raw frames: what was on the wire, the newest 2,000 of it. */

import { counted } from "./ledger.js";
import { element } from "./elements.js";

const KEPT = 2_000;

/** Keeps frames always and draws them only while the drawer is open. */
export class FrameDrawer {
  #drawer;
  #list;
  #toggle;
  #count;
  #kept = [];
  #undrawn = [];
  #waiting = false;
  #seen = 0;

  constructor({ drawer, list, toggle, count, copy, close }) {
    this.#drawer = drawer;
    this.#list = list;
    this.#toggle = toggle;
    this.#count = count;
    toggle.addEventListener("click", () => this.#show(drawer.hidden));
    close.addEventListener("click", () => this.#show(false));
    copy.addEventListener("click", () => this.#copy(copy));
    drawer.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#show(false);
    });
  }

  /** Adds a frame as it came. */
  add(raw) {
    this.#seen += 1;
    this.#keep({ raw, kind: "frame" });
  }

  /** Adds a remark of the page, such as a request line; it is not copied. */
  note(text) {
    this.#keep({ raw: text, kind: "note" });
  }

  /** Marks where another stream of the same turn begins. */
  divide(text) {
    this.#keep({ raw: text, kind: "divider" });
  }

  clear() {
    this.#kept = [];
    this.#undrawn = [];
    this.#seen = 0;
    this.#list.replaceChildren();
    this.#draw();
  }

  #keep(entry) {
    pushBounded(this.#kept, entry);
    if (!this.#drawer.hidden) pushBounded(this.#undrawn, entry);
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#waiting = false;
    const newest = this.#seen > KEPT ? `, newest ${KEPT.toLocaleString("en")} kept` : "";
    this.#count.textContent = counted(this.#seen, "frame") + newest;
    if (this.#undrawn.length === 0) return;
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    const following = scrollHeight - scrollTop - clientHeight < 48;
    this.#list.append(...this.#undrawn.splice(0).slice(-KEPT).map(row));
    while (this.#list.childElementCount > KEPT) this.#list.firstElementChild.remove();
    if (following) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #show(open) {
    this.#drawer.hidden = !open;
    this.#toggle.setAttribute("aria-expanded", String(open));
    this.#list.replaceChildren();
    this.#undrawn = open ? this.#kept.slice(-KEPT) : [];
    this.#draw();
    if (open) this.#list.scrollTop = this.#list.scrollHeight;
    else this.#toggle.focus();
  }

  async #copy(button) {
    const frames = this.#kept.slice(-KEPT).filter(({ kind }) => kind === "frame");
    const text = frames.map(({ raw }) => `${raw}\n\n`).join("");
    // The clipboard is missing outside of a secure context and may be refused inside of one.
    const copied = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    button.textContent = copied ? "Copied" : "Copying is not allowed here";
    setTimeout(() => (button.textContent = "Copy all"), 2_000);
  }
}

function pushBounded(list, entry) {
  list.push(entry);
  // Trimming in bulk keeps a long stream from shifting the whole list with each frame.
  if (list.length > KEPT * 1.25) list.splice(0, list.length - KEPT);
}

function row({ raw, kind }) {
  return element("li", { class: kind }, raw);
}
