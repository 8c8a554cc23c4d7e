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
 * @param {?number} fence how far the fence is indented that is open before it, null without one
 * @returns {{kind: string, nodes: Array<Node|string>, fence: ?number}} `fence` after it
 */
export function dress(line, fence) {
  const found = FENCE.exec(line);
  // A fence that closes has nothing behind it.
  if (found && (fence === null || found[3].trim() === "")) return dressFence(found, fence);
  if (fence !== null) return { kind: "code", nodes: outdented(line, fence), fence };
  if (line.trim() === "") return { kind: "blank", nodes: [line], fence };
  for (const { kind, pattern } of SHAPES) {
    const [, lead, rest] = pattern.exec(line) ?? [];
    const nested = /^\s{2}/.test(lead ?? "") ? " nested" : "";
    if (lead) return { kind: kind + nested, nodes: [mark(lead), ...inline(rest)], fence };
  }
  return { kind: "plain", nodes: inline(line), fence };
}

function dressFence([, indent, ticks, rest], fence) {
  const nodes = [mark(indent + ticks), rest];
  if (fence !== null) return { kind: "fence-close", nodes, fence: null };
  return { kind: "fence-open", nodes, fence: indent.length };
}

/** What the fence is indented by, the code is too: in a list. */
function outdented(line, indent) {
  const [lead] = /^[ \t]*/.exec(line.slice(0, indent));
  return lead === "" ? [line] : [mark(lead), line.slice(lead.length)];
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
