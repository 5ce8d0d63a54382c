// Lines: gaps are gaps, and the tip shows the values around the pointer.

import { formatValue } from "./format.js";
import { emphasisOn } from "./emphasis.js";
import { largest, linesOf, lonelyPoints } from "./lines.js";
import { axisLabels, incrementsOf, rangeOf } from "./plot_axes.js";
import { colour, style } from "./theme.js";

const MOST_ROWS = 12;
const NEAR_PX = 24;

/** The lines of a result. `hidden`: names of series that are switched off. */
export function lineChart(result, window, unit, hidden) {
  const { times, lines: all } = linesOf(result, window);
  const lines = largest(all);
  let emphasis = null;
  const isOn = (line) => !hidden.has(line.name);

  const options = () => ({
    scale: { range: rangeOf },
    axis: { incrs: incrementsOf(unit), values: (_, splits) => axisLabels(splits, unit) },
    series: lines.map((line, index) => ({
      label: line.name,
      stroke: colour(index),
      fill: lines.length === 1 ? `${colour(index)}1c` : undefined,
      width: lines.length > 20 ? 1.25 : 1.75,
      spanGaps: false,
      show: isOn(line),
      points: { show: lonelyPoints, size: 5 },
    })),
    data: lines.map((line) => line.values),
  });

  /** Show what is at a step: the lines around the pointer, the nearest one emphasized. */
  function hover(u, at, tip) {
    emphasis ??= emphasisOn(u, style("--surface"));
    const here = [];
    lines.forEach((line, index) => {
      if (line.values[at] !== null && isOn(line)) here.push({ line, index, value: line.values[at] });
    });
    here.sort((a, b) => b.value - a.value);
    const pointer = u.posToVal(u.cursor.top, "y");
    const near = here.reduce((best, one) => (best === null || Math.abs(one.value - pointer) < Math.abs(best.value - pointer) ? one : best), null);
    const first = Math.max(0, Math.min(here.indexOf(near) - 5, here.length - MOST_ROWS));
    const rows = here.slice(first, first + MOST_ROWS).map((one) => ({
      colour: colour(one.index), name: one.line.name, value: formatValue(one.value, unit), near: one === near, values: one.line.values,
    }));
    tip.show(u, times[at], rows, here.length > rows.length ? `and ${here.length - rows.length} more` : null);
    const close = near && here.length > 1 && Math.abs(u.valToPos(near.value, "y") - u.cursor.top) < NEAR_PX;
    emphasis.show(at, rows, close ? rows.find((row) => row.near) : null);
  }

  return {
    times, lines, all: all.length, options, hover,
    built() { emphasis = null; },
    left() { emphasis?.hide(); },
    say: (at) => lines.filter((line) => isOn(line) && line.values[at] !== null).slice(0, 8)
      .map((line) => `${line.name} ${formatValue(line.values[at], unit)}`),
  };
}
