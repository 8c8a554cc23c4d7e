/** One route: who may call it, what it takes, and everything that it answers. */

import { fieldList, fieldRow, nameOf, typeOf } from "./docs_schemas.js";
import { chip, example, heading, inline, pathCode, said } from "./docs_words.js";
import { element } from "./elements.js";

/** The card of a route; it is filled when it is opened first. */
export function operationCard(method, path, operation, components) {
  const summary = element(
    "summary",
    {},
    chip(method.toUpperCase(), `method ${method}`),
    element("h3", {}, pathCode(path)),
    element("span", { class: "summary" }, operation.summary),
  );
  const card = element("details", { class: "card operation", id: operation.operationId }, summary);
  const fill = () => {
    if (!card.open || card.children.length > 1) return;
    card.append(...contents(operation, components));
  };
  card.addEventListener("toggle", fill);
  card.label = () => [chip(method.toUpperCase(), `method ${method}`), " ", pathCode(path)];
  return card;
}

function contents(operation, components) {
  return [
    ...said(operation.description),
    element("p", { class: "access" }, ...access(operation)),
    ...parameters(operation, components),
    ...body(operation.requestBody, components),
    heading("Answers"),
    ...Object.entries(operation.responses).map(([status, answer]) =>
      responseFold(status, answer, components),
    ),
  ];
}

function access(operation) {
  const ways = operation.security.flatMap(Object.keys);
  if (!ways.length) return ["Open to everybody."];
  const named = ways.map((each) => (each === "ticket" ? "a ticket of its stream" : "a bearer token"));
  return ["Needs ", named.join(" or "), ", and the action ", element("code", {}, operation["x-action"]), "."];
}

function parameters(operation, components) {
  if (!operation.parameters.length) return [];
  const rows = operation.parameters.map((each) => {
    const parameter = resolved(each, components);
    const { schema } = parameter;
    const row = fieldRow(parameter.name, schema, parameter.required ? "needed" : "", parameter.description ?? schema.description);
    row.firstChild.append(chip(parameter.in, "place"));
    return row;
  });
  return [heading("Parameters"), element("dl", { class: "fields" }, ...rows)];
}

function body(request, components) {
  if (!request) return [];
  const { schema, examples } = request.content["application/json"];
  return [
    heading("Body"),
    element("p", { class: "type" }, "JSON: ", ...typeOf(schema)),
    fieldList(resolved(schema, components), "needed"),
    ...Object.entries(examples).map(([name, each]) => example(`Example: ${name}`, each.value)),
  ];
}

/** A status; what can be told of it is folded away, because there are many. */
function responseFold(status, answer, components) {
  const content = Object.entries(answer.content ?? {});
  const codes = Object.keys(content[0]?.[1].examples ?? {});
  const refused = content[0]?.[1].schema.$ref?.endsWith("/Problem");
  const label = refused ? codes.map((each) => element("code", {}, each)) : inline(answer.description);
  const summary = element("summary", {}, chip(status, `status of-${status[0]}`), element("span", {}, ...spaced(label)));
  const fold = element("details", { class: "answer" }, summary);
  fold.append(...headers(answer, components));
  if (refused) fold.append(problems(content[0][1].examples, components));
  else fold.append(...content.flatMap(([media, each]) => contentOf(media, each, components)));
  return fold;
}

function headers(answer, components) {
  const rows = Object.entries(answer.headers ?? {}).map(([name, each]) => {
    const header = resolved(each, components);
    return fieldRow(name, header.schema, "", header.description);
  });
  return rows.length ? [heading("Headers"), element("dl", { class: "fields" }, ...rows)] : [];
}

function problems(examples, components) {
  const rows = Object.entries(examples).map(([code, each]) => {
    const { summary, value } = resolved(each, components);
    return element(
      "div",
      {},
      element("dt", {}, element("code", {}, code)),
      element("dd", {}, element("p", {}, ...inline(summary)), example(`Example of ${code}`, value)),
    );
  });
  return element("dl", { class: "fields" }, ...rows);
}

function contentOf(media, { schema, examples, "x-itemSchema": item }, components) {
  const data = item?.properties.data.contentSchema;
  const type = data ? ["events, each with ", ...typeOf(data), " as its data"] : typeOf(schema);
  const named = schema.$ref ? components.schemas[nameOf(schema.$ref)] : null;
  return [
    heading(media),
    element("p", { class: "type" }, ...type),
    ...(named?.properties ? [fieldList(named)] : said(schema.description)),
    ...(item ? [fieldList(item)] : []),
    ...Object.entries(examples).map(([name, each]) => example(`Example: ${name}`, each.value)),
  ];
}

/** What a reference within the document stands for. */
function resolved(value, components) {
  if (!value.$ref) return value;
  const [kind, name] = value.$ref.split("/").slice(-2);
  return components[kind][name];
}

function spaced(nodes) {
  return nodes.flatMap((node, at) => (at && typeof node !== "string" && typeof nodes[at - 1] !== "string" ? [" ", node] : [node]));
}
