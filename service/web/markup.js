/**
 * Light dress for a line of Markdown: bold, code, headings, lists, quotes, fences.
 *
 * The text of the nodes is always exactly the line: marks are hidden by the style sheet, never
 * taken away. So whoever reads the text reads what the model wrote, and whatever is not understood
 * is simply shown.
 */

import { element } from "./elements.js";

const FENCE = /^(\s*)(```+|~~~+)(.*)$/s;
const SHAPES = [
  { kind: "heading", pattern: /^(#{1,6} +)(.*)$/s },
  { kind: "quote", pattern: /^(> ?)(.*)$/s },
  { kind: "item", pattern: /^(\s*[-*+] +)(.*)$/s },
  { kind: "numbered", pattern: /^(\s*\d{1,4}[.)] +)(.*)$/s },
];
// Bounded repeats only: a line of a thousand backticks must not cost a million steps.
const INLINE = /(`{1,2})([^`]+)\1|(\*\*)(?=\S)((?:(?!\*\*).)+)\*\*/gs;

/**
 * Dresses one line.
 * @param {string} line with its line feed, if it has one yet
 * @param {boolean} fenced whether a fence is open before it
 * @returns {{kind: string, nodes: Array<Node|string>, fenced: boolean}} `fenced` after it
 */
export function dress(line, fenced) {
  const fence = FENCE.exec(line);
  // A fence that closes has nothing behind it.
  if (fence && (!fenced || fence[3].trim() === "")) return dressFence(fence, fenced);
  if (fenced) return { kind: "code", nodes: [line], fenced };
  if (line.trim() === "") return { kind: "blank", nodes: [line], fenced };
  for (const { kind, pattern } of SHAPES) {
    const [, lead, rest] = pattern.exec(line) ?? [];
    const nested = /^\s{2}/.test(lead ?? "") ? " nested" : "";
    if (lead) return { kind: kind + nested, nodes: [mark(lead), ...inline(rest)], fenced };
  }
  return { kind: "plain", nodes: inline(line), fenced };
}

function dressFence([, indent, ticks, rest], fenced) {
  const nodes = [mark(indent + ticks), rest];
  return { kind: fenced ? "fence-close" : "fence-open", nodes, fenced: !fenced };
}

function inline(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(text.slice(end, found.index), dressed(found));
    end = found.index + found[0].length;
  }
  return [...nodes, text.slice(end)];
}

function dressed([, ticks, code, stars, bold]) {
  if (ticks) return element("code", {}, mark(ticks), code, mark(ticks));
  return element("strong", {}, mark(stars), ...inline(bold), mark(stars));
}

function mark(text) {
  return element("span", { class: "mark" }, text);
}
