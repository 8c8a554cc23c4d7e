/**
 * How the page builds elements: attributes and text, never markup.
 *
 * Every word that came from a server enters the page as a text node or through `safeHref`.
 */

import { parsed } from "./answers.js";

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node|string)} children strings become text nodes
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** The address of a document when it is http or https, else null: `javascript:` must not run. */
export function safeHref(address) {
  const url = typeof address === "string" && URL.canParse(address) ? new URL(address) : null;
  return url && ["http:", "https:"].includes(url.protocol) ? url.href : null;
}

/** The beginning of a name that may be of any length: enough to know it, and to hear it read. */
export function brief(name) {
  const [beginning] = /^.{0,80}/su.exec(name);
  return beginning === name ? name : `${beginning}…`;
}

/** Readable text for anything a server may send: JSON indented, text as it is. */
export function readable(value) {
  if (typeof value !== "string") return JSON.stringify(value, null, 2) ?? "";
  const structure = /^\s*[[{]/.test(value) ? parsed(value) : null;
  return structure === null ? value : JSON.stringify(structure, null, 2);
}

/** Rows of names and values; rows without a value are left out. */
export function factList(rows) {
  const given = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
  const parts = given.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", { dir: "auto" }, String(value))),
  );
  return element("dl", { class: "facts" }, ...parts);
}
