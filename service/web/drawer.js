/** The place of the list: a column beside the conversation, or a drawer where there is no room. */

const NARROW = matchMedia("(max-width: 84rem)");

/** Opens and closes it; as a drawer it has the page for itself while it is open. */
export class Drawer {
  #drawer;
  #toggle;
  #behind;
  #shade;

  /** @param {{drawer: Element, toggle: Element, close: Element, shade: Element, behind: Element[]}} places */
  constructor({ drawer, toggle, close, shade, behind }) {
    this.#drawer = drawer;
    this.#toggle = toggle;
    this.#behind = behind;
    this.#shade = shade;
    toggle.addEventListener("click", () => (this.open ? this.leave() : this.#enter()));
    close.addEventListener("click", () => this.leave());
    shade.addEventListener("click", () => this.leave());
    addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && this.open && NARROW.matches) this.leave();
    });
    NARROW.addEventListener("change", () => this.#set(this.open && !NARROW.matches));
  }

  get open() {
    return !this.#drawer.hidden;
  }

  /** Whether there is something to open. */
  offer(offered) {
    this.#toggle.hidden = !offered;
    if (!offered) this.#set(false);
  }

  /** Opens it where that hides nothing. */
  openBeside() {
    if (!NARROW.matches) this.#set(true);
  }

  /** Closes it where it hides something. */
  closeOver() {
    if (NARROW.matches) this.#set(false);
  }

  leave() {
    this.#set(false);
    this.#toggle.focus();
  }

  #enter() {
    this.#set(true);
    this.#drawer.querySelector("[aria-current], .open, button")?.focus();
  }

  #set(open) {
    this.#drawer.hidden = !open;
    this.#toggle.setAttribute("aria-expanded", String(open));
    document.body.dataset.list = open ? "open" : "closed";
    const over = open && NARROW.matches;
    this.#shade.hidden = !over;
    for (const element of this.#behind) element.inert = over;
  }
}
