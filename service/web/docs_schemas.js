/** Schemas as lists of fields, each with its type in words. */

import { chip, example, inline, said } from "./docs_words.js";
import { element } from "./elements.js";

const BOUNDS = [
  ["format", (value) => value],
  ["minLength", (value) => (value === 1 ? "not empty" : `at least ${value} characters`)],
  ["maxLength", (value) => `at most ${value} characters`],
  ["minimum", (value) => `at least ${value}`],
  ["maximum", (value) => `at most ${value}`],
  ["maxItems", (value) => `at most ${value}`],
  ["pattern", (value) => `like ${value}`],
];

/** The name that a reference ends with. */
export function nameOf(reference) {
  return reference.slice(reference.lastIndexOf("/") + 1);
}

/** What a schema takes, as nodes: its type, with links to schemas that have a name. */
export function typeOf(schema) {
  if (schema.$ref) return [link(nameOf(schema.$ref))];
  if ("const" in schema) return [element("code", {}, JSON.stringify(schema.const))];
  if (schema.enum) return joined(schema.enum.map((each) => [element("code", {}, JSON.stringify(each))]));
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return joined(choices.map(typeOf));
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items ?? {}), ...bounds(schema)];
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return ["object of ", ...typeOf(schema.additionalProperties)];
  }
  return [schema.type ?? "anything", ...bounds(schema)];
}

/** The fields of an object, one below the other; `word` marks those that are not left out. */
export function fieldList(schema, word = "always") {
  const needed = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, held]) =>
    fieldRow(name, held, needed.has(name) ? word : ""),
  );
  return element("dl", { class: "fields" }, ...rows);
}

/** One field: its name with a mark, its type, and what it means. */
export function fieldRow(name, schema, mark = "", description = schema.description) {
  const usual = "default" in schema && schema.default !== null;
  return element(
    "div",
    {},
    element("dt", {}, element("code", {}, name), ...(mark ? [chip(mark, "mark")] : [])),
    element(
      "dd",
      {},
      element("span", { class: "type" }, ...typeOf(schema)),
      ...(usual ? [element("span", { class: "type" }, `; ${JSON.stringify(schema.default)} when left out`)] : []),
      ...(description ? [element("p", {}, ...inline(description))] : []),
    ),
  );
}

/** A named schema that can be opened. */
export function schemaCard(name, schema) {
  const card = element(
    "details",
    { class: "card schema", id: `schema-${name}` },
    element("summary", {}, element("h3", {}, element("code", {}, name))),
    ...said(schema.description),
    ...contents(schema, name.endsWith("Body") ? "needed" : "always"),
    ...(schema.examples ?? []).map((each) => example("Example", each)),
  );
  card.label = () => [element("code", {}, name)];
  return card;
}

function contents(schema, word) {
  if (schema.properties) return [fieldList(schema, word)];
  return [element("p", { class: "type" }, ...typeOf(schema))];
}

function link(name) {
  return element("a", { href: `#schema-${name}` }, name);
}

function joined(parts) {
  return parts.flatMap((part, at) => (at ? [" or ", ...part] : part));
}

function bounds(schema) {
  const told = BOUNDS.filter(([name]) => name in schema).map(([name, say]) => say(schema[name]));
  return told.length ? [`, ${told.join(", ")}`] : [];
}
