// Query text → coloured spans. A scanner, not a parser: the server is the judge.

import { el } from "./dom.js";
import { AGGREGATORS, FUNCTIONS, KEYWORDS } from "./words.js";

const TOKEN = /(#[^\n]*)|("(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`[^`]*`?)|(\d+(?:\.\d+)?(?:(?:ms|[smhdwyi])(?:\d+(?:ms|[smhdwy]))*|[KMGT]i?B?|e[+-]?\d+)?)|([A-Za-z_][\w:.]*)|([\s\S])/g;
const CONSTANTS = new Set(["inf", "nan"]);
const GROUPING = new Set(["by", "without", "on", "ignoring", "group_left", "group_right"]);

/** Tokens as [kind, text, start]; kinds are the suffixes of the `t-` classes. */
export function tokens(text) {
  const out = [];
  let braces = 0;
  let grouping = 0; // depth of parentheses inside `by (…)`
  let pending = false;
  for (const found of text.matchAll(TOKEN)) {
    const [whole, comment, string, numeral, word] = found;
    let kind = "";
    if (comment) kind = "comment";
    else if (string) kind = "string";
    else if (numeral) kind = "number";
    else if (word) {
      const follows = text.slice(found.index + word.length).trimStart();
      const lower = word.toLowerCase();
      if (braces > 0 || grouping > 0) kind = "label";
      else if (Object.hasOwn(AGGREGATORS, lower) || (Object.hasOwn(FUNCTIONS, lower) && follows.startsWith("("))) kind = "function";
      else if (Object.hasOwn(KEYWORDS, lower)) kind = "keyword";
      else if (CONSTANTS.has(lower)) kind = "number";
      else if (follows.startsWith("(")) kind = "function";
      pending = GROUPING.has(lower);
    } else if (whole === "{") braces += 1;
    else if (whole === "}") braces = Math.max(0, braces - 1);
    else if (whole === "(" && (pending || grouping > 0)) {
      grouping += 1;
      pending = false;
    } else if (whole === ")" && grouping > 0) grouping -= 1;
    else if (whole.trim()) pending = false;
    out.push([kind, whole, found.index]);
  }
  return out;
}

/** Paint `text` into `target`; `mark` is an optional [start, end) that is at fault. */
export function paint(target, text, mark = null) {
  const nodes = [];
  for (const [kind, piece, start] of tokens(text)) {
    const cuts = mark ? [mark[0] - start, mark[1] - start].filter((at) => at > 0 && at < piece.length) : [];
    const bounds = [0, ...cuts, piece.length];
    for (let i = 0; i + 1 < bounds.length; i += 1) {
      const part = piece.slice(bounds[i], bounds[i + 1]);
      const at = start + bounds[i];
      const marked = mark && at >= mark[0] && at < mark[1];
      const names = [kind && `t-${kind}`, marked && "t-mark"].filter(Boolean).join(" ");
      nodes.push(names ? el("span", { className: names }, part) : part);
    }
  }
  if (mark && mark[0] >= text.length) nodes.push(el("span", { className: "t-mark" }, " "));
  target.replaceChildren(...nodes, "\n");
}
