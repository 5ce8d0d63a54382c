// A range result as a chart: a crosshair shows the values, dragging zooms, arrow keys move in time.

import { byId, el } from "./dom.js";
import { formatTime } from "./format.js";
import { heatmap, nativesOf } from "./heatmap.js";
import { showHistograms, showLegend } from "./legend.js";
import { lineChart } from "./line_chart.js";
import { clockLabels, widthOfLabels } from "./plot_axes.js";
import { style } from "./theme.js";
import { tipIn } from "./tip.js";

const box = byId("chart");
let plot = null;
let shown = null; // {kind, window, natives} of what is drawn; `kind` is a line chart or a heatmap
let hidden = new Set(); // names of series switched off, retained across refreshes
let picked = null; // name of the histogram on show, likewise
let tip = null;
let onZoom = () => {};
let onReset = () => {};

/** An empty chart: a title, and what to do about it. */
export function clearChart(title, ...hints) {
  destroy();
  shown = null;
  asImage(false);
  box.replaceChildren(el("div", { className: "empty" }, el("div", {}, el("b", {}, title), ...hints)));
  byId("legend").replaceChildren();
}

/** A chart is one image for keyboards and screen readers; what replaces it is text and buttons. */
function asImage(on) {
  const attributes = { role: "img", tabindex: "0", "aria-label": "Chart. Left and right arrows move through time." };
  for (const [name, value] of Object.entries(attributes)) {
    if (on) box.setAttribute(name, value);
    else box.removeAttribute(name);
  }
}

function destroy() {
  plot?.destroy();
  plot = null;
  tip = null;
}

export function showChart(result, window, unit) {
  const natives = nativesOf(result);
  const lines = result.some((series) => series.values?.length);
  const pick = natives.find(({ name }) => name === picked) ?? natives[0];
  const kind = lines ? lineChart(result.filter((series) => series.values?.length), window, unit, hidden) : heatmap(pick, window, unit);
  shown = { kind, window, unit, natives, pick, lines, again: () => showChart(result, window, unit) };
  draw();
}

/** Once more in the colours and size of now. */
export function redraw() {
  if (shown) draw();
}

function draw() {
  const at = plot && !tip.hidden ? { left: plot.cursor.left, top: plot.cursor.top } : null;
  destroy();
  box.replaceChildren();
  asImage(true);
  const { kind } = shown;
  const given = kind.options();
  plot = new globalThis.uPlot(optionsOf(given), [kind.times, ...given.data], box);
  tip = tipIn(box);
  kind.built();
  legend();
  if (at) plot.setCursor(at); // a refresh does not take the values from under the pointer
}

function optionsOf({ scale, axis, series }) {
  const { kind, window } = shown;
  const narrow = box.clientWidth < 560;
  const font = `${narrow ? 11 : 12}px Inter, system-ui, sans-serif`;
  const common = { stroke: style("--ink-3"), font, grid: { stroke: style("--grid"), width: 1 }, ticks: { show: false } };
  return {
    width: Math.max(220, box.clientWidth - (narrow ? 4 : 24)),
    height: narrow ? 280 : 352,
    legend: { show: false },
    padding: [8, 32, 0, 0],
    // Points and a focus of uPlot's own would cost an element a line, and a drawing of all lines.
    cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false } },
    scales: { x: { time: true, range: [window.start, Math.max(window.end, window.start + 1)] }, y: scale },
    axes: [
      { ...common, space: narrow ? 70 : 90, values: clockLabels },
      { ...common, size: widthOfLabels, gap: 6, ...axis },
    ],
    series: [{}, ...series],
    hooks: { setCursor: [moveTip], setSelect: [zoom], drawAxes: kind.paint ? [kind.paint] : [] },
  };
}

function legend() {
  const { kind, unit, natives, pick, lines } = shown;
  if (lines) showLegend({ lines: kind.lines, unit, all: kind.all, natives: natives.length }, () => hidden, toggle);
  else showHistograms(natives, pick, unit, (name) => { picked = name; shown.again(); });
}

function moveTip(u) {
  const { idx, left } = u.cursor;
  if (!tip) return;
  if (idx === null || idx === undefined || left < 0) {
    tip.hide();
    shown.kind.left();
  } else shown.kind.hover(u, idx, tip);
}

function zoom(u) {
  const { left, width } = u.select;
  if (width < 6) return;
  const from = u.posToVal(left, "x");
  const to = u.posToVal(left + width, "x");
  u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  onZoom(Math.floor(from), Math.ceil(to));
}

/** A click hides or shows one series; with Alt or Shift, or a double click, it is shown alone. */
function toggle(name, alone) {
  const { lines } = shown.kind;
  const names = lines.map((line) => line.name);
  if (alone) {
    const only = names.every((one) => one === name || hidden.has(one)) && !hidden.has(name);
    hidden.clear();
    if (!only) for (const one of names) if (one !== name) hidden.add(one);
  } else if (hidden.has(name)) hidden.delete(name);
  else hidden.add(name);
  plot.batch(() => lines.forEach((line, index) => plot.setSeries(index + 1, { show: !hidden.has(line.name) })));
}

export function forgetHidden() {
  hidden = new Set();
  picked = null;
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
    const { times, say } = shown.kind;
    const at = Math.max(0, Math.min(times.length - 1, (plot.cursor.idx ?? times.length - 1) + move));
    plot.setCursor({ left: plot.valToPos(times[at], "x"), top: plot.over.clientHeight / 2 });
    byId("readout").textContent = `${formatTime(times[at])}: ${say(at).join(", ") || "no samples"}`;
  });
}
