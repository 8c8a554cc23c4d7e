/** Words of the document as elements: paragraphs with their code, chips, and examples. */

import { element, readable } from "./elements.js";

/** Text with `code` between backticks, as nodes. */
export function inline(text) {
  const parts = text.split(/`([^`]*)`/);
  return parts.map((part, at) => (at % 2 ? element("code", {}, part) : part)).filter(Boolean);
}

/** A description as paragraphs. */
export function said(description = "") {
  const paragraphs = description.split(/\n{2,}/).filter((each) => each.trim());
  return paragraphs.map((each) => element("p", {}, ...inline(each)));
}

/** A small label. */
export function chip(text, kind) {
  return element("span", { class: `chip ${kind}` }, text);
}

/** A path, which may be broken where a part of it begins. */
export function pathCode(path) {
  const parts = path.split(/(?=\/)/).flatMap((part, at) => (at ? [element("wbr"), part] : [part]));
  return element("code", {}, ...parts);
}

/** An example that can be opened. */
export function example(title, value, { open = false } = {}) {
  const text = readable(value);
  const shown = element("pre", { tabindex: "0", "aria-label": title }, text);
  const fold = element("details", { class: "example" }, element("summary", {}, title), shown);
  fold.open = open;
  return fold;
}

/** A heading of a part of a card. */
export function heading(text) {
  return element("h4", {}, text);
}
