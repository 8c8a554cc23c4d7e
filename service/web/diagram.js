/** The machine as a drawing: the state it is in, where it has been, and the edge it took. */

const ARROW = " → ";

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
    this.reset();
  }

  /** Fetches the drawing. Without it the way is still told as text. */
  async load(url) {
    const answer = await fetch(url).catch(() => null);
    if (!answer?.ok) return;
    const drawing = new DOMParser().parseFromString(await answer.text(), "image/svg+xml");
    if (drawing.documentElement.localName !== "svg") return;
    this.#container.replaceChildren(document.adoptNode(drawing.documentElement));
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
    this.#pathLine.scrollLeft = this.#pathLine.scrollWidth;
    for (const node of this.#select(".state")) {
      const state = node.id.replace(/^state-/, "");
      node.classList.toggle("lit", state === current);
      node.classList.toggle("visited", state !== current && this.#path.includes(state));
    }
  }

  #flash(source, dest) {
    const taken = ({ dataset }) => dataset.source === source && dataset.dest === dest;
    for (const edge of [...this.#select(".edge")].filter(taken)) {
      edge.classList.remove("flash");
      // Reading the layout between the two lets the animation start over.
      edge.getBoundingClientRect();
      edge.classList.add("taken", "flash");
    }
  }

  #select(selector) {
    return this.#container.querySelectorAll(selector);
  }
}
