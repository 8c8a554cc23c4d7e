/** The page that shows the OpenAPI document: contents beside, and everything that is in it. */

import { eventSections } from "./docs_events.js";
import { operationCard } from "./docs_operations.js";
import { schemaCard } from "./docs_schemas.js";
import { element } from "./elements.js";
import { said } from "./docs_words.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

const region = document.getElementById("document");
const links = document.getElementById("links");
const status = document.getElementById("status");
const filter = document.getElementById("filter");

// A narrow screen has no room for both.
if (matchMedia("(max-width: 60rem)").matches) document.getElementById("contents").open = false;
filter.addEventListener("input", narrow);
addEventListener("hashchange", reveal);
links.addEventListener("click", closeOverlaid);
load();

async function load() {
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
  } catch (problem) {
    status.textContent = `The document cannot be read: ${problem.message}.`;
    document.body.dataset.document = "failed";
  }
}

function show(specification) {
  const { info, components } = specification;
  status.remove();
  region.append(
    element(
      "section",
      { class: "intro" },
      element("h2", {}, `${info.title} ${info.version}`),
      ...said(info.description),
    ),
  );
  for (const tag of specification.tags) addOperations(specification, tag);
  addPart("Events", "events", eventSections(components.schemas));
  const schemas = Object.entries(components.schemas);
  addPart("Schemas", "schemas", schemas.map(([name, schema]) => schemaCard(name, schema)));
  document.body.dataset.document = "shown";
  reveal();
}

/** Adds the operations of a tag, in the order of the document. */
function addOperations(specification, tag) {
  const cards = [];
  for (const [path, methods] of Object.entries(specification.paths)) {
    for (const method of METHODS.filter((each) => methods[each]?.tags.includes(tag.name))) {
      cards.push(operationCard(method, path, methods[method], specification.components));
    }
  }
  addPart(tag.name, `tag-${tag.name.toLowerCase()}`, cards, tag.description);
}

/** Adds a part of the page, and the links to what is in it. */
function addPart(title, id, cards, description = "") {
  const heading = element("h2", { id }, title);
  region.append(element("section", { class: "part" }, heading, ...said(description), ...cards));
  const items = cards.map((card) => {
    const link = element("a", { href: `#${card.id}` }, ...card.label());
    return element("li", { "data-words": link.textContent.toLowerCase() }, link);
  });
  links.append(element("section", {}, element("h3", {}, title), element("ul", {}, ...items)));
}

/** Shows only the links, and what they lead to, that contain what is typed. */
function narrow() {
  const wanted = filter.value.trim().toLowerCase();
  for (const item of links.querySelectorAll("li")) {
    item.hidden = !item.dataset.words.includes(wanted);
    target(item.firstChild.hash).hidden = item.hidden;
  }
  for (const list of [...links.children, ...region.querySelectorAll(".part")]) {
    list.hidden = !list.querySelector("li:not([hidden]), .card:not([hidden])");
  }
}

/** Opens what the address names, and goes there. */
function reveal() {
  const named = target(location.hash);
  if (!named) return;
  const card = named.closest("details");
  if (card) card.open = true;
  named.scrollIntoView();
  (card?.querySelector("summary") ?? named).focus({ preventScroll: true });
}

function target(hash) {
  return hash ? document.getElementById(decodeURIComponent(hash.slice(1))) : null;
}

/** On a narrow screen the contents are above everything: who has chosen wants to see that. */
function closeOverlaid(click) {
  const link = click.target.closest("a");
  if (!link) return;
  if (matchMedia("(max-width: 60rem)").matches) document.getElementById("contents").open = false;
  if (link.hash === location.hash) reveal();
}
