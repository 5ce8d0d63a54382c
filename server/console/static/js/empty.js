// An empty answer: why, as the server finds it, and what to do about it.

import { whyEmpty } from "./api.js";
import { el } from "./dom.js";
import { labelInQuery, selectorOf, seriesName } from "./names.js";

const MOST_CAUSES = 5;

/**
 * What to show below "answers nothing". `use(query)` runs another query, `look(from, to)` another time;
 * `infos` are shown if the server finds no cause.
 */
export async function reasonsFor(request, infos, { use, look }, signal) {
  let found;
  try {
    found = await whyEmpty(request, signal);
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    found = { causes: [], complete: true };
  }
  const nodes = found.causes.slice(0, MOST_CAUSES).map((cause) => causeNode(request.query, cause, use, look));
  if (nodes.length === 0) nodes.push(...infos.map((text) => el("p", {}, text.replace(/^NovaQL info: /, ""))));
  if (!found.complete) nodes.push(el("p", {}, "The query has more parts than were examined."));
  return nodes.length ? nodes : [el("p", {}, "Each part of the query has data. Try a longer range.")];
}

function causeNode(query, cause, use, look) {
  const lines = [
    el("p", {}, el("code", {}, cause.part), ` (${cause.line}:${cause.column})`),
    el("p", {}, cause.message),
  ];
  if (cause.suggestions.length) lines.push(el("p", {}, "Did you mean ", ...choices(query, cause, use), "?"));
  if (cause.data_range) {
    const [from, to] = cause.data_range;
    lines.push(el("button", { type: "button", className: "quiet", onclick: () => look(from, to) }, "Show the time with samples"));
  }
  for (const side of ["left", "right"]) {
    if (cause[side].length) lines.push(el("p", {}, `On the ${side}, for example: `, el("code", {}, cause[side].map(seriesName).join(" "))));
  }
  return el("div", { className: "cause", "data-reason": cause.reason }, ...lines);
}

function choices(query, cause, use) {
  return cause.suggestions.flatMap((suggestion, at) => {
    const better = corrected(query, cause, suggestion);
    const node = better === null
      ? el("code", {}, suggestion)
      : el("button", { type: "button", className: "suggestion", onclick: () => use(better) }, suggestion);
    return at ? [" or ", node] : [node];
  });
}

const QUOTED = String.raw`("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\`[^\`]*\`)`;
const literally = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/** The pattern of what a suggestion replaces, and the text in its place; null if it cannot be put in. */
function correction({ reason, message }, suggestion) {
  if (reason === "metric") {
    const better = selectorOf(suggestion);
    if (better === suggestion) return [/^[A-Za-z_:][\w:]*/, suggestion];
    return [/^[A-Za-z_:][\w:]*(\s*\{)?/, (_, brace) => (brace ? `${better.slice(0, -1)}, ` : better)];
  }
  const matcher = reason === "matcher" ? message.match(/^([\w.]+)(=~|!~|!=|=)'/) : null;
  if (!matcher) return null;
  const label = String.raw`(?<![\w."])("?)${literally(matcher[1])}\1`;
  if (/[=~]\s*["'`]/.test(suggestion)) return [new RegExp(String.raw`${label}\s*${matcher[2]}\s*${QUOTED}`), suggestion];
  return [new RegExp(String.raw`${label}(?=\s*${matcher[2]})`), labelInQuery(suggestion)];
}

/** The query with a suggestion in place of what is at fault; null if it cannot be put in. */
export function corrected(query, cause, suggestion) {
  const points = [...query]; // the server counts code points
  const part = points.slice(cause.start, cause.end).join("");
  const [fault, better] = correction(cause, suggestion) ?? [];
  if (!fault?.test(part)) return null;
  const replaced = part.replace(fault, typeof better === "string" ? () => better : better);
  return points.slice(0, cause.start).join("") + replaced + points.slice(cause.end).join("");
}
