// What is valid at the caret: metric, function, stage of a pipe, label name or label value.

import { labelNames, labelValues, metricNames } from "./api.js";
import { inQuotes, labelInQuery, selectorOf } from "./names.js";
import { AGGREGATORS, FUNCTIONS, KEYWORDS } from "./words.js";

/** The place of the caret: {kind, from, typed, metric?, label?, quote?}, or null where nothing completes. */
export function contextAt(text, caret) {
  const before = text.slice(0, caret);
  let brace = -1;
  let quote = null;
  let quoteAt = -1;
  for (let i = 0; i < before.length; i += 1) {
    const c = before[i];
    if (quote) {
      if (c === "\\" && quote !== "`") i += 1;
      else if (c === quote) quote = null;
    } else if (c === '"' || c === "'" || c === "`") {
      quote = c;
      quoteAt = i;
    } else if (c === "#") {
      const newline = before.indexOf("\n", i);
      if (newline < 0) return null;
      i = newline;
    } else if (c === "{") brace = i;
    else if (c === "}") brace = -1;
  }
  if (brace >= 0) {
    const metric = before.slice(0, brace).match(/([A-Za-z_:][\w:]*)\s*$/)?.[1] ?? null;
    if (quote) {
      const found = before.slice(brace + 1, quoteAt).match(/(?:([A-Za-z_]\w*)|"([^"\\]+)")\s*(?:=~|!~|!=|=)\s*$/);
      if (!found) return null;
      return { kind: "value", from: quoteAt + 1, typed: before.slice(quoteAt + 1), metric, label: found[1] ?? found[2], quote };
    }
    const typed = before.match(/[A-Za-z_][\w.]*$/)?.[0] ?? "";
    const lead = before.slice(brace + 1, caret - typed.length).trimEnd();
    if (lead !== "" && !/(?:[,(]|\bor)$/i.test(lead)) return null;
    return { kind: "label", from: caret - typed.length, typed, metric };
  }
  if (quote) return null;
  const typed = before.match(/[A-Za-z_:][\w:.]*$/)?.[0] ?? "";
  const lead = before.slice(0, caret - typed.length);
  if (/\d$/.test(lead) || /\[[^\]]*$/.test(lead)) return null; // 5m, [5m]
  if (/\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*$/i.test(lead)) {
    return { kind: "label", from: caret - typed.length, typed, metric: null };
  }
  const kind = lead.trimEnd().endsWith("|>") ? "stage" : "name";
  return { kind, from: caret - typed.length, typed };
}

const calls = (words) =>
  Object.entries(words).map(([text, { signature, note }]) => ({
    text, note: `${signature} · ${note}`, call: true,
  }));

/** What completes at a place: {text, note, call?, put?}; `put` is what is put in, if it is not the text. */
async function candidates(context) {
  switch (context.kind) {
    case "value":
      return (await labelValues(context.label, context.metric)).map((text) => ({ text, note: context.label, put: inQuotes(text, context.quote) }));
    case "label":
      return (await labelNames(context.metric))
        .filter((text) => text !== "__name__")
        .map((text) => ({ text, note: "label", put: labelInQuery(text) }));
    case "stage":
      return [...calls(FUNCTIONS), ...calls(AGGREGATORS)];
    default:
      return [
        ...(await metricNames()).map((text) => ({ text, note: "metric", put: selectorOf(text) })),
        ...calls(AGGREGATORS),
        ...calls(FUNCTIONS),
        ...Object.entries(KEYWORDS).map(([text, note]) => ({ text, note })),
      ];
  }
}

/** 0: the typed text itself; 1: begins with it; 2: contains it. */
function rankOf(candidate, typed, at) {
  if (at > 0) return 2;
  return candidate.length === typed.length ? 0 : 1;
}

/**
 * At most 40 completions: the typed word itself first, then those that begin with it. `preselect`:
 * whether Enter and Tab accept the first one; not so for a finished word, or a mere substring.
 */
export async function completionsAt(text, caret) {
  const context = contextAt(text, caret);
  if (context === null) return null;
  const typed = context.typed.toLowerCase();
  const ranked = [];
  for (const candidate of await candidates(context)) {
    const at = candidate.text.toLowerCase().indexOf(typed);
    if (at >= 0) ranked.push({ ...candidate, at, rank: rankOf(candidate.text, typed, at) });
  }
  ranked.sort((a, b) => a.rank - b.rank);
  return { context, items: ranked.slice(0, 40), preselect: ranked[0]?.rank === 1 };
}
