// The box beside the pointer.

import { el, swatch } from "./dom.js";
import { formatTime } from "./format.js";

/** A tip in the box of a chart: `show(u, time, rows, note)`, `hide()`. Rows: {colour, name, value, near}. */
export function tipIn(box) {
  const tip = el("div", { className: "tip", hidden: true });
  box.append(tip);
  return {
    get hidden() { return tip.hidden; },
    hide() { tip.hidden = true; },
    show(u, time, rows, note = null) {
      const body = rows.map(({ colour, name, value, near }) =>
        el("tr", { className: near ? "near" : "" },
          el("td", {}, colour ? swatch(colour) : ""), el("td", {}, name), el("td", {}, value)));
      tip.replaceChildren(
        el("time", {}, formatTime(time)),
        rows.length ? el("table", {}, el("tbody", {}, ...body)) : "no samples",
        ...(note ? [el("time", {}, note)] : []),
      );
      tip.hidden = false;
      const { left, top } = u.cursor;
      const x = u.over.offsetLeft + u.root.offsetLeft + left;
      const wide = tip.offsetWidth;
      tip.style.left = `${x + wide + 28 > box.clientWidth ? Math.max(4, x - wide - 14) : x + 14}px`;
      tip.style.top = `${Math.max(8, Math.min(top, u.over.clientHeight - tip.offsetHeight))}px`;
    },
  };
}
