/** The machine's panel: its state, its drawing, and how far the stream is proved. */

import { Diagram } from "./diagram.js";
import { counted, gapPhrase } from "./ledger.js";

const byId = (id) => document.getElementById(id);
const PHONE = matchMedia("(max-width: 55rem)");

/** Shows one stream at a time. */
export class Machine {
  #diagram = new Diagram(byId("diagram"), byId("path"));

  constructor() {
    byId("diagram-fold").open = !PHONE.matches;
    PHONE.addEventListener("change", ({ matches }) => (byId("diagram-fold").open = !matches));
    byId("diagram-names").addEventListener("click", toggleNames);
    this.#diagram.load("/diagram.svg");
  }

  /** A stream begins: the machine stands at idle, and `text` says what is known of its events. */
  begin(text) {
    this.#diagram.reset();
    this.showState();
    this.prove(text, "open");
  }

  move(states) {
    this.#diagram.move(states);
  }

  showState() {
    const { state } = byId("diagram").dataset;
    byId("current-state").textContent = state;
    byId("current-state").dataset.state = state;
  }

  /** Says how much has come so far. */
  count(soFar) {
    this.prove(`${counted(soFar.events, "event")} so far, ${gapPhrase(soFar)}`, "open");
  }

  /** @param {"open"|"good"|"bad"} verdict */
  prove(text, verdict) {
    byId("proof").textContent = text;
    byId("proof").dataset.verdict = verdict;
  }
}

/** Event names need room, so the panel grows as long as they are shown. */
function toggleNames({ currentTarget }) {
  const shown = document.body.classList.toggle("named");
  currentTarget.setAttribute("aria-pressed", String(shown));
}
