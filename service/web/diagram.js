/** The machine as a drawing: the state it is in, where it has been, and the edge it took. */

const ARROW = " → ";
const MARGIN_PX = 8;

/** Shows one turn's way through the states. */
export class Diagram {
  #container;
  #pathLine;
  #path = [];

  /**
   * @param {HTMLElement} container gets the drawing, and the current state as `data-state`
   * @param {HTMLElement} pathLine gets the way as text
   */
  constructor(container, pathLine) {
    this.#container = container;
    this.#pathLine = pathLine;
    new ResizeObserver(() => this.#reveal()).observe(container);
    this.reset();
  }

  /** Fetches the drawing. Without it the way is still told as text. */
  async load(url) {
    const answer = await fetch(url).catch(() => null);
    if (!answer?.ok) return;
    const drawing = new DOMParser().parseFromString(await answer.text(), "image/svg+xml");
    if (drawing.documentElement.localName !== "svg") return;
    this.#container.replaceChildren(document.adoptNode(drawing.documentElement));
    this.#select(".state text").forEach(breakName);
    this.#redraw();
  }

  /** Goes back to idle for a new turn. */
  reset() {
    this.#path = [];
    this.#select(".state, .edge").forEach((node) => {
      node.classList.remove("lit", "visited", "taken", "flash");
    });
    this.move(["idle"]);
  }

  /** Follows the machine through states; repeats of the current one are no move. */
  move(states) {
    if (states.length === 0) return;
    for (const state of states) {
      const before = this.#path.at(-1);
      if (state === before) continue;
      this.#path.push(state);
      if (before) this.#flash(before, state);
    }
    this.#redraw();
  }

  #redraw() {
    const current = this.#path.at(-1);
    this.#container.dataset.state = current;
    this.#pathLine.textContent = this.#path.join(ARROW);
    for (const node of this.#select(".state")) {
      const state = node.id.replace(/^state-/, "");
      node.classList.toggle("lit", state === current);
      node.classList.toggle("visited", state !== current && this.#path.includes(state));
    }
    this.#reveal();
  }

  #flash(source, dest) {
    // An edge that leaves from several states names them all.
    const taken = ({ dataset }) => dataset.dest === dest && dataset.source.split(" ").includes(source);
    for (const edge of [...this.#select(".edge")].filter(taken)) {
      edge.classList.remove("flash");
      // Reading the layout between the two lets the animation start over.
      edge.getBoundingClientRect();
      edge.classList.add("taken", "flash");
    }
  }

  /** Brings the current state into sight where the panel is narrower than drawing or way. */
  #reveal() {
    this.#pathLine.scrollTop = this.#pathLine.scrollHeight;
    const box = this.#container.querySelector(".state.lit rect");
    if (box === null) return;
    const seen = this.#container.getBoundingClientRect();
    const { left, width } = box.getBoundingClientRect();
    const offset = left + width / 2 - (seen.left + seen.width / 2);
    this.#container.scrollBy({ left: offset, behavior: "instant" });
    // On a phone the open drawing may reach below the edge of its panel; the page is not moved.
    const panel = this.#container.closest("aside");
    const below = box.getBoundingClientRect().bottom - panel.getBoundingClientRect().bottom;
    if (below > 0) panel.scrollBy({ top: below + MARGIN_PX, behavior: "instant" });
  }

  #select(selector) {
    return this.#container.querySelectorAll(selector);
  }
}

/** Sets a name on two lines: larger letters then fit the box of a drawing that is shown small. */
function breakName(text) {
  const [, first, second] = /^([^_]+_)(.+)$/.exec(text.textContent) ?? [];
  if (!first) return;
  const lines = [first, second].map((part, number) => {
    const line = document.createElementNS(text.namespaceURI, "tspan");
    line.setAttribute("x", text.getAttribute("x"));
    line.setAttribute("dy", number === 0 ? "-0.6em" : "1.15em");
    line.textContent = part;
    return line;
  });
  text.replaceChildren(...lines);
}
