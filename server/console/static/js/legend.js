// The series below the chart, with their last, least, greatest and mean values.

import { byId, el, swatch } from "./dom.js";
import { formatValue, grouped, seriesName } from "./format.js";
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

/** `hidden()` is the set of names switched off, `toggle(name, alone)` changes it; `all` is how many the answer has. */
export function showLegend({ lines, unit }, hidden, toggle, all) {
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
    parts.push(el("p", { className: "hint" }, `The first ${lines.length} of ${grouped(all)} series are drawn. The table and JSON have them all; topk() or sum by (…) makes them fewer.`));
  }
  parts.push(el("table", {}, el("thead", {}, el("tr", {}, ...["Series", "last", "min", "max", "mean"].map((title) => el("th", { scope: "col" }, title)))), el("tbody", {}, ...rows.map(({ row }) => row))));
  byId("legend").replaceChildren(...parts);
}
