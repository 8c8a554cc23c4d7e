/** What streams say, dialect by dialect. */

import { fieldList, nameOf } from "./docs_schemas.js";
import { example, said } from "./docs_words.js";
import { element } from "./elements.js";

/** The cards of all events of the native dialect, and that of the text dialect. */
export function eventSections(schemas) {
  const names = schemas.NativeEvent.discriminator.mapping;
  const cards = Object.entries(names).map(([name, place]) =>
    eventCard(name, schemas[nameOf(place)], schemas),
  );
  return [...cards, textCard(schemas.TextStream)];
}

function eventCard(name, schema, schemas) {
  const data = schemas[nameOf(schema.properties.data.$ref)];
  const { event: _, data: __, ...beside } = schema.properties;
  return card(
    `event-${name}`,
    name,
    ...said(schema.description),
    element("p", { class: "type" }, "In ", element("code", {}, "data"), ":"),
    fieldList(data),
    ...(Object.keys(beside).length ? [element("p", { class: "type" }, "Beside it:"), fieldList({ properties: beside, required: schema.required })] : []),
    ...(schema.examples ?? []).map((each) => example("Example", each, { open: true })),
  );
}

function textCard(schema) {
  const lines = Object.entries(schema["x-lines"]).map(([name, text]) =>
    element("div", {}, element("dt", {}, element("code", {}, name)), element("dd", {}, element("pre", {}, text.trim()))),
  );
  return card("event-text", "the text dialect", ...said(schema.description), element("dl", { class: "fields" }, ...lines));
}

function card(id, title, ...contents) {
  const name = element("code", {}, title);
  const made = element("details", { class: "card event", id }, element("summary", {}, element("h3", {}, name)), ...contents);
  made.label = () => [element("code", {}, title)];
  return made;
}
