// A range result as lines on the grid of steps, and which of them are drawn.

import { number } from "./format.js";
import { shortNames } from "./names.js";

export const MOST_LINES = 500;

/** Lines on the grid of steps; a step without a finite value is null, and the line breaks there. */
export function linesOf(result, { start, end, step }) {
  const count = Math.round((end - start) / step) + 1;
  const times = Array.from({ length: count }, (_, at) => start + at * step);
  const names = shortNames(result.map((series) => series.metric));
  const lines = result.map((series, index) => {
    const values = new Array(count).fill(null);
    let area = 0;
    for (const [time, text] of series.values ?? []) {
      const value = number(text);
      const at = Math.round((time - start) / step);
      if (at < 0 || at >= count || !Number.isFinite(value)) continue;
      values[at] = value;
      area += Math.abs(value);
    }
    return { name: names[index], metric: series.metric, values, area };
  });
  return { times, lines };
}

/** The lines with the largest areas, in their order. */
export function largest(lines, most = MOST_LINES) {
  if (lines.length <= most) return lines;
  const byArea = lines.map((line, at) => ({ line, at })).sort((a, b) => b.line.area - a.line.area);
  return byArea.slice(0, most).sort((a, b) => a.at - b.at).map(({ line }) => line);
}

/** Dots only for samples with no neighbour, which no line would show. */
export function lonelyPoints(u, index) {
  const values = u.data[index];
  const lonely = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null) lonely.push(at);
  }
  return lonely.length > 0 && lonely.length < 500 && values.filter((v) => v !== null).length === lonely.length;
}
