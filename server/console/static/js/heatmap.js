// One native histogram over time: a column a step, a row between two neighbouring edges of buckets.

import { formatValue, number } from "./format.js";
import { bucketsOf, summaryOf } from "./histogram.js";
import { shortNames } from "./names.js";
import { style } from "./theme.js";

const SHADES = 24;

/** Histograms on the grid of steps, and all edges of their buckets from low to high. */
export function columnsOf(series, { start, end, step }) {
  const count = Math.round((end - start) / step) + 1;
  const columns = new Array(count).fill(null);
  const edges = new Set();
  let most = 0;
  for (const [time, histogram] of series.histograms) {
    const at = Math.round((time - start) / step);
    if (at < 0 || at >= count) continue;
    const buckets = bucketsOf(histogram);
    columns[at] = { histogram, buckets };
    for (const bucket of buckets) {
      edges.add(bucket.low).add(bucket.high);
      if (bucket.count > most) most = bucket.count;
    }
  }
  return { columns, edges: [...edges].sort((a, b) => a - b), most };
}

/** The series of a result that are histograms, the one with the most observations first. */
export function nativesOf(result) {
  const found = result.filter((series) => series.histograms?.length);
  const names = shortNames(found.map((series) => series.metric));
  const total = (series) => series.histograms.reduce((sum, [, { count }]) => sum + Math.abs(number(count) || 0), 0);
  return found
    .map((series, at) => ({ series, name: names[at], metric: series.metric, total: total(series) }))
    .sort((a, b) => b.total - a.total);
}

/** The heatmap of one of `nativesOf`. */
export function heatmap({ series, name }, window, unit) {
  const { columns, edges, most } = columnsOf(series, window);
  const times = columns.map((_, at) => window.start + at * window.step);
  const rowOf = new Map(edges.map((edge, row) => [edge, row]));

  function paint(u) {
    const { ctx } = u;
    const accent = style("--accent");
    // Whole pixels, without seams between neighbours.
    const x = (time) => Math.round(u.valToPos(time, "x", true));
    const y = (row) => Math.round(u.valToPos(row, "y", true));
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    ctx.fillStyle = accent;
    columns.forEach((column, at) => {
      const left = x(times[at] - window.step / 2);
      const width = Math.max(1, x(times[at] + window.step / 2) - left);
      for (const { low, high, count } of column?.buckets ?? []) {
        if (!(count > 0)) continue;
        ctx.globalAlpha = Math.ceil(SHADES * Math.sqrt(count / most)) / SHADES;
        const top = y(rowOf.get(high));
        ctx.fillRect(left, top, width, Math.max(1, y(rowOf.get(low)) - top));
      }
    });
    ctx.restore();
  }

  /** Show the bucket under the pointer, and the whole histogram of the step. */
  function hover(u, at, tip) {
    const column = columns[at];
    if (!column) {
      tip.show(u, times[at], []);
      return;
    }
    const row = u.posToVal(u.cursor.top, "y");
    const under = column.buckets.find(({ low, high }) => rowOf.get(low) <= row && row < rowOf.get(high));
    const rows = under ? [{ name: under.text(unit), value: formatValue(under.count), near: true }] : [];
    tip.show(u, times[at], [...rows, { name: name, value: summaryOf(column.histogram, unit) }]);
  }

  return {
    times, hover, paint,
    options: () => ({
      scale: { range: [0, Math.max(1, edges.length - 1)] },
      axis: { splits: () => tickRows(edges.length), values: (_, splits) => splits.map((row) => (row in edges ? formatValue(edges[row], unit, 3) : "")) },
      series: [{ label: name, paths: () => null, points: { show: false } }],
      data: [times.map(() => null)],
    }),
    built() {},
    left() {},
    say: (at) => (columns[at] ? [`${name} ${summaryOf(columns[at].histogram, unit)}`] : []),
  };
}

/** At most nine rows with a label. */
function tickRows(count) {
  const every = Math.max(1, Math.ceil(count / 9));
  return Array.from({ length: Math.ceil(count / every) }, (_, at) => at * every);
}
