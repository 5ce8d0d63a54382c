// A range result as lines: gaps are gaps, a crosshair tells the values, dragging zooms.

import { byId, el, swatch } from "./dom.js";
import { formatTime, formatValue, number, shortNames } from "./format.js";
import { showLegend } from "./legend.js";
import { colour } from "./theme.js";

export const MOST_LINES = 60;
const box = byId("chart");
let plot = null;
let shown = null; // {lines, times, unit, window}
let hidden = new Set(); // names of series switched off, kept across refreshes
let tip = null;
let onZoom = () => {};
let onReset = () => {};

/** Lines on the grid of steps; a step without a finite value is null, and the line breaks there. */
export function linesOf(result, { start, end, step }) {
  const count = Math.round((end - start) / step) + 1;
  const times = Array.from({ length: count }, (_, at) => start + at * step);
  const names = shortNames(result.map((series) => series.metric));
  const lines = result.map((series, index) => {
    const values = new Array(count).fill(null);
    for (const [time, text] of series.values ?? []) {
      const value = number(text);
      const at = Math.round((time - start) / step);
      if (at >= 0 && at < count) values[at] = Number.isFinite(value) ? value : null;
    }
    return { name: names[index], metric: series.metric, values };
  });
  return { times, lines };
}

export function clearChart(title, hint = "") {
  destroy();
  shown = null;
  box.replaceChildren(el("div", { className: "empty" }, el("div", {}, el("b", {}, title), hint)));
  byId("legend").replaceChildren();
}

function destroy() {
  plot?.destroy();
  plot = null;
  tip = null;
}

export function showChart(result, window, unit) {
  const { times, lines } = linesOf(result, window);
  const drawn = lines.slice(0, MOST_LINES);
  shown = { times, lines: drawn, all: lines.length, unit, window };
  draw();
}

/** Once more in the colours and size of now. */
export function redraw() {
  if (shown) draw();
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw() {
  const at = plot && !tip.hidden ? { left: plot.cursor.left, top: plot.cursor.top } : null;
  destroy();
  const { times, lines, unit, window, all } = shown;
  const narrow = box.clientWidth < 560;
  const font = `${narrow ? 11 : 12}px Inter, system-ui, sans-serif`;
  const axis = { stroke: style("--ink-3"), font, grid: { stroke: style("--grid"), width: 1 }, ticks: { show: false } };
  box.replaceChildren();
  plot = new globalThis.uPlot(
    {
      width: Math.max(220, box.clientWidth - (narrow ? 4 : 24)),
      height: narrow ? 280 : 352,
      legend: { show: false },
      padding: [8, 12, 0, 0],
      cursor: { drag: { x: true, y: false, setScale: false }, focus: { prox: 24 }, points: { size: 7 } },
      focus: { alpha: 0.35 },
      scales: { x: { time: true, range: [window.start, Math.max(window.end, window.start + 1)] }, y: { range: rangeOf } },
      axes: [
        { ...axis, space: narrow ? 70 : 90, values: clockLabels },
        { ...axis, size: widthOfLabels, gap: 6, incrs: incrementsOf(unit), values: (_, splits) => axisLabels(splits, unit) },
      ],
      series: [{}, ...lines.map((line, index) => ({
        label: line.name,
        stroke: colour(index),
        fill: lines.length === 1 ? `${colour(index)}1c` : undefined,
        width: lines.length > 20 ? 1.25 : 1.75,
        spanGaps: false,
        show: !hidden.has(line.name),
        points: { show: lonelyPoints, size: 5 },
      }))],
      hooks: { setCursor: [moveTip], setSelect: [zoom] },
    },
    [times, ...lines.map((line) => line.values)],
    box,
  );
  tip = el("div", { className: "tip", hidden: true });
  box.append(tip);
  showLegend(shown, () => hidden, toggle, all);
  if (at) plot.setCursor(at); // a refresh does not take the values from under the pointer
}

/** The scale from 0 where the values are near it, with some air above. */
function rangeOf(_, low, high) {
  if (low === null || high === null) return [0, 1];
  if (low === high) {
    const room = Math.abs(low) * 0.1 || 1;
    return low === 0 ? [0, 1] : [Math.min(0, low - room) && low - room, high + room];
  }
  const span = high - low;
  const bottom = low >= 0 && low < span * 1.5 ? 0 : low - span * 0.06;
  return [bottom, high <= 0 && -high < span * 1.5 ? 0 : high + span * 0.06];
}

const pad = (value) => String(value).padStart(2, "0");

/** Times on the axis, with the date where a day begins (and on the first label). */
function clockLabels(u, splits, _axis, _space, increment) {
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
function incrementsOf(unit) {
  if (unit.startsWith("bytes")) return Array.from({ length: 61 }, (_, power) => 2 ** (power - 4));
  if (unit !== "seconds") return undefined;
  const below = [-9, -8, -7, -6, -5, -4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  return [...below, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 432000, 864000, 4320000, 8640000, 86400000, 864000000, 8640000000];
}

/** Labels with just as many digits as tell neighbours apart. */
export function axisLabels(splits, unit) {
  for (const digits of [3, 4, 5, 6, 8]) {
    const labels = splits.map((value) => (value === null ? "" : formatValue(value, unit, digits)));
    if (new Set(labels).size === labels.length) return labels;
  }
  return splits.map((value) => formatValue(value, unit, 10));
}

function widthOfLabels(u, values, axisIndex, cycle) {
  if (cycle > 1) return u.axes[axisIndex]._size;
  const longest = (values ?? []).reduce((most, text) => Math.max(most, text.length), 0);
  u.ctx.font = u.axes[axisIndex].font[0];
  return Math.ceil(u.ctx.measureText("0".repeat(longest)).width / devicePixelRatio) + 16;
}

/** Dots only for samples with no neighbour, which no line would show. */
function lonelyPoints(u, index) {
  const values = u.data[index];
  const lonely = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null) lonely.push(at);
  }
  return lonely.length > 0 && lonely.length < 500 && values.filter((v) => v !== null).length === lonely.length;
}

function moveTip(u) {
  const { idx, left, top } = u.cursor;
  if (!tip) return;
  if (idx === null || idx === undefined || left < 0) {
    tip.hidden = true;
    return;
  }
  const { lines, times, unit } = shown;
  const here = lines
    .map((line, index) => ({ line, index, value: line.values[idx] }))
    .filter(({ line, value }) => value !== null && !hidden.has(line.name))
    .sort((a, b) => b.value - a.value);
  const pointer = u.posToVal(top, "y");
  const near = here.reduce((best, one) => (best === null || Math.abs(one.value - pointer) < Math.abs(best.value - pointer) ? one : best), null);
  const first = Math.max(0, Math.min(here.indexOf(near) - 5, here.length - 12));
  const rows = here.slice(first, first + 12).map((one) =>
    el("tr", { className: one === near ? "near" : "" },
      el("td", {}, swatch(colour(one.index))), el("td", {}, one.line.name), el("td", {}, formatValue(one.value, unit))));
  const more = here.length > rows.length ? el("time", {}, `and ${here.length - rows.length} more`) : null;
  tip.replaceChildren(el("time", {}, formatTime(times[idx])), rows.length ? el("table", {}, el("tbody", {}, ...rows)) : "no samples", ...(more ? [more] : []));
  tip.hidden = false;
  const inset = u.over.offsetLeft + box.querySelector(".uplot").offsetLeft;
  const x = inset + left;
  const wide = tip.offsetWidth;
  tip.style.left = `${x + wide + 28 > box.clientWidth ? Math.max(4, x - wide - 14) : x + 14}px`;
  tip.style.top = `${Math.max(8, Math.min(top, u.over.clientHeight - tip.offsetHeight))}px`;
}

function zoom(u) {
  const { left, width } = u.select;
  if (width < 6) return;
  const from = u.posToVal(left, "x");
  const to = u.posToVal(left + width, "x");
  u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  onZoom(Math.floor(from), Math.ceil(to));
}

/** A click hides or shows one series; with Alt or Shift, or a double click, it stands alone. */
function toggle(name, alone) {
  const names = shown.lines.map((line) => line.name);
  if (alone) {
    const only = names.every((one) => one === name || hidden.has(one)) && !hidden.has(name);
    hidden = new Set(only ? [] : names.filter((one) => one !== name));
  } else if (hidden.has(name)) hidden.delete(name);
  else hidden.add(name);
  shown.lines.forEach((line, index) => plot.setSeries(index + 1, { show: !hidden.has(line.name) }));
}

export function forgetHidden() {
  hidden = new Set();
}

export function startChart({ zoomed, reset }) {
  onZoom = zoomed;
  onReset = reset;
  let width = 0;
  new ResizeObserver(() => {
    if (box.clientWidth !== width && box.clientWidth > 0) {
      width = box.clientWidth;
      redraw();
    }
  }).observe(box);
  box.addEventListener("dblclick", () => onReset());
  box.addEventListener("blur", () => plot?.setCursor({ left: -10, top: -10 }));
  box.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -1e9, End: 1e9 }[event.key];
    if (move === undefined || !plot) return;
    event.preventDefault();
    const { times, lines, unit } = shown;
    const at = Math.max(0, Math.min(times.length - 1, (plot.cursor.idx ?? times.length - 1) + move));
    plot.setCursor({ left: plot.valToPos(times[at], "x"), top: plot.over.clientHeight / 2 });
    const said = lines.filter((line) => !hidden.has(line.name) && line.values[at] !== null).slice(0, 8)
      .map((line) => `${line.name} ${formatValue(line.values[at], unit)}`);
    byId("readout").textContent = `${formatTime(times[at])}: ${said.join(", ") || "no samples"}`;
  });
}
