// An instant result as a sortable table: one row a series, one column a label.

import { bars } from "./bars.js";
import { byId, el } from "./dom.js";
import { formatTime, formatValue, grouped, number } from "./format.js";
import { summaryOf } from "./histogram.js";
import { labelOf, visible } from "./names.js";

const MOST_ROWS = 2000;
let sorting = { column: null, down: true };
let shown = null;

function rowsOf({ result_type: type, result }) {
  if (type === "scalar" || type === "string") {
    const pair = Array.isArray(result) ? result.flat(Array.isArray(result[0]) ? 1 : 0) : result?.value ?? [];
    const [time, value] = pair[0]?.value ?? pair;
    return [{ labels: {}, value, time, samples: 1 }];
  }
  return result.map((series) => {
    const native = series.histogram ?? series.histograms?.at(-1);
    const point = series.value ?? series.values?.at(-1) ?? (native ? [native[0], native[1].count] : [null, null]);
    const samples = series.values?.length ?? series.histograms?.length ?? 1;
    return { labels: series.metric, value: point[1], time: point[0], samples, histogram: native?.[1] };
  });
}

function compare(a, b) {
  const [x, y] = [number(a), number(b)];
  const xText = a === undefined || Number.isNaN(x);
  const yText = b === undefined || Number.isNaN(y);
  if (xText !== yText) return xText ? 1 : -1;
  if (!xText) return x - y || 0;
  return String(a ?? "").localeCompare(String(b ?? ""), "en", { numeric: true });
}

export function showTable(answer, unit) {
  const rows = rowsOf(answer);
  const labels = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))];
  labels.sort((a, b) => (b === "__name__") - (a === "__name__"));
  const ranges = rows.some((row) => row.samples > 1);
  shown = { rows, labels, unit, ranges };
  if (sorting.column !== null && sorting.column !== "value" && !labels.includes(sorting.column)) sorting = { column: null, down: true };
  draw();
}

/** No table: a title, and what to do about it. */
export function clearTable(title, ...hints) {
  shown = null;
  byId("panel-table").replaceChildren(el("div", { className: "empty" }, el("div", {}, el("b", {}, title), ...hints)));
}

/** The value of a row: a number, or the bars of a native histogram above its summary. */
function valueOf({ value, histogram }, alone) {
  const { unit } = shown;
  if (!histogram) return [formatValue(value, unit, 6)];
  return [bars(histogram, unit, alone ? { width: 560, height: 140 } : {}), summaryOf(histogram, unit)];
}

function draw() {
  const { rows, labels, ranges } = shown;
  const { column, down } = sorting;
  const key = column === "value" ? (row) => row.value : (row) => labelOf(row.labels, column);
  const order = column === null ? rows : [...rows].sort((a, b) => (down ? -1 : 1) * compare(key(a), key(b)));
  const head = [...labels, "value"].map((name) => {
    const sort = name === column ? (down ? "descending" : "ascending") : "none";
    const button = el("button", { type: "button", onclick: () => sortBy(name) }, name === "__name__" ? "metric" : visible(name));
    return el("th", { scope: "col", "aria-sort": sort, className: name === "value" ? "number" : "" }, button);
  });
  const body = order.slice(0, MOST_ROWS).map((row) =>
    el("tr", {},
      ...labels.map((name) => el("td", {}, visible(labelOf(row.labels, name) ?? ""))),
      el("td", { className: "number", title: String(row.value) }, ...valueOf(row, order.length === 1), ranges ? `  (last of ${row.samples})` : "")));
  const time = rows[0].time;
  const foot = `${grouped(rows.length)} ${rows.length === 1 ? "row" : "rows"}${time === null ? "" : ` at ${formatTime(time)}`}` + (rows.length > MOST_ROWS ? `; the first ${grouped(MOST_ROWS)} are shown` : "");
  byId("panel-table").replaceChildren(
    el("div", { className: "grid-wrap" }, el("table", { className: "grid" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body))),
    el("p", { className: "foot" }, foot),
  );
}

function sortBy(column) {
  const same = sorting.column === column;
  sorting = { column, down: same ? !sorting.down : column === "value" };
  draw();
  const at = [...shown.labels, "value"].indexOf(column);
  byId("panel-table").querySelectorAll("th button")[at].focus();
}
