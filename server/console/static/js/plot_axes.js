// Scales and labels of the axes of all charts.

import { formatValue } from "./format.js";

/** The scale from 0 where the values are near it, with some air above. */
export function rangeOf(_, low, high) {
  if (low === null || high === null) return [0, 1];
  if (low === high) {
    const margin = Math.abs(low) * 0.1 || 1;
    return low === 0 ? [0, 1] : [Math.min(0, low - margin) && low - margin, high + margin];
  }
  const span = high - low;
  const bottom = low >= 0 && low < span * 1.5 ? 0 : low - span * 0.06;
  return [bottom, high <= 0 && -high < span * 1.5 ? 0 : high + span * 0.06];
}

const pad = (value) => String(value).padStart(2, "0");

/** Times on the axis, with the date where a day begins (and on the first label). */
export function clockLabels(u, splits, _axis, _space, increment) {
  let day = null;
  return splits.map((at) => {
    const moment = new Date(at * 1000);
    const clock = `${pad(moment.getHours())}:${pad(moment.getMinutes())}${increment < 60 ? `:${pad(moment.getSeconds())}` : ""}`;
    const date = moment.toLocaleDateString([], { month: "short", day: "numeric" });
    const label = date === day ? clock : increment >= 86400 ? date : `${clock}\n${date}`;
    day = date;
    return label;
  });
}

/** Round distances of the lines in units that do not count in tens; undefined: uPlot's own. */
export function incrementsOf(unit) {
  if (unit.startsWith("bytes")) return Array.from({ length: 61 }, (_, power) => 2 ** (power - 4));
  if (unit !== "seconds") return undefined;
  const below = [-9, -8, -7, -6, -5, -4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  return [...below, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 432000, 864000, 4320000, 8640000, 86400000, 864000000, 8640000000];
}

/** Labels with as many digits as distinguish neighbours. */
export function axisLabels(splits, unit) {
  for (const digits of [3, 4, 5, 6, 8]) {
    const labels = splits.map((value) => (value === null ? "" : formatValue(value, unit, digits)));
    if (new Set(labels).size === labels.length) return labels;
  }
  return splits.map((value) => formatValue(value, unit, 10));
}

export function widthOfLabels(u, values, axisIndex, cycle) {
  if (cycle > 1) return u.axes[axisIndex]._size;
  const longest = (values ?? []).reduce((most, text) => Math.max(most, text.length), 0);
  u.ctx.font = u.axes[axisIndex].font[0];
  return Math.ceil(u.ctx.measureText("0".repeat(longest)).width / devicePixelRatio) + 16;
}
