// An empty answer: why, as the server finds it, and what to do about it.

import { whyEmpty } from "./api.js";
import { el } from "./dom.js";
import { seriesName } from "./format.js";

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

/** The query with a suggestion in place of what is at fault; null if it cannot be put in. */
export function corrected(query, { reason, message, start, end }, suggestion) {
  const points = [...query]; // the server counts code points
  const part = points.slice(start, end).join("");
  let fault = null;
  if (reason === "metric") fault = /^[A-Za-z_:][\w:]*/;
  const matcher = reason === "matcher" ? message.match(/^([\w.]+)(=~|!~|!=|=)'/) : null;
  if (matcher) {
    const label = String.raw`(?<![\w.])${literally(matcher[1])}`;
    const isName = /^\w+$/.test(suggestion);
    fault = new RegExp(isName ? String.raw`${label}(?=\s*${matcher[2]})` : String.raw`${label}\s*${matcher[2]}\s*${QUOTED}`);
  }
  if (fault === null || !fault.test(part)) return null;
  return points.slice(0, start).join("") + part.replace(fault, () => suggestion) + points.slice(end).join("");
}
