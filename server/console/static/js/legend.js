// The series below the chart, with their last, least, greatest and mean values.

import { byId, el, swatch } from "./dom.js";
import { formatValue, grouped } from "./format.js";
import { summaryOf } from "./histogram.js";
import { seriesName } from "./names.js";
import { colour } from "./theme.js";

function summary(values) {
  let [last, low, high, sum, count] = [null, Infinity, -Infinity, 0, 0];
  for (const value of values) {
    if (value === null) continue;
    last = value;
    if (value < low) low = value;
    if (value > high) high = value;
    sum += value;
    count += 1;
  }
  return count ? [last, low, high, sum / count] : [null, null, null, null];
}

/**
 * `hidden()` is the set of names switched off, `toggle(name, alone)` changes it; `all` is how many lines
 * the answer has, `natives` how many histograms besides.
 */
export function showLegend({ lines, unit, all, natives }, hidden, toggle) {
  const rows = lines.map((line, index) => {
    const button = el("button", { type: "button", title: `${seriesName(line.metric)}\nClick to hide or show; Alt+click to see it alone` }, swatch(colour(index)), line.name);
    const row = el("tr", {}, el("td", {}, button), ...summary(line.values).map((value) => el("td", {}, formatValue(value, unit))));
    button.addEventListener("click", (event) => {
      toggle(line.name, event.altKey || event.shiftKey);
      refresh();
    });
    return { row, button, name: line.name };
  });
  const refresh = () => {
    for (const { row, button, name } of rows) {
      row.classList.toggle("off", hidden().has(name));
      button.setAttribute("aria-pressed", String(!hidden().has(name)));
    }
  };
  refresh();
  const parts = [];
  if (all > lines.length) {
    parts.push(el("p", { className: "hint" }, `The largest ${lines.length} of ${grouped(all)} series are drawn. The table and JSON have them all; topk() or sum by (…) makes them fewer.`));
  }
  if (natives > 0) {
    parts.push(el("p", { className: "hint" }, `${grouped(natives)} native ${natives === 1 ? "histogram is" : "histograms are"} not drawn beside lines. A query that selects histograms alone draws them as a heatmap; the table shows both.`));
  }
  parts.push(el("table", {}, el("thead", {}, el("tr", {}, ...["Series", "last", "min", "max", "mean"].map((title) => el("th", { scope: "col" }, title)))), el("tbody", {}, ...rows.map(({ row }) => row))));
  byId("legend").replaceChildren(...parts);
}

const MOST_HISTOGRAMS = 200;

/** The native histograms of an answer; a click on one of several draws it. */
export function showHistograms(natives, pick, unit, choose) {
  const rows = natives.slice(0, MOST_HISTOGRAMS).map((one) => {
    const title = seriesName(one.metric);
    const button = el("button", { type: "button", title, "aria-pressed": String(one === pick), onclick: () => choose(one.name) }, one.name);
    return el("tr", { className: one === pick ? "picked" : "" }, el("td", {}, button), el("td", {}, summaryOf(one.series.histograms.at(-1)[1], unit)));
  });
  const hint = natives.length > 1 ? `One of ${grouped(natives.length)} native histograms is drawn: click on another, or add them up by sum().` : "A native histogram: the darker, the more observations.";
  byId("legend").replaceChildren(
    el("p", { className: "hint" }, hint),
    el("table", {}, el("thead", {}, el("tr", {}, ...["Series", "last"].map((title) => el("th", { scope: "col" }, title)))), el("tbody", {}, ...rows)),
  );
}
