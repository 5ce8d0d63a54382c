// What is at the pointer, on a canvas of its own: the chart below is not drawn again.

import { el } from "./dom.js";

/**
 * An overlay of a plot. `show(at, marks, near)` draws points at a step, and one of them with its whole line;
 * marks: {values, colour}, near: one of them or null. `hide()` clears.
 */
export function emphasisOn(u, surface) {
  const canvas = el("canvas", { className: "emphasis", "aria-hidden": "true" });
  const { clientWidth: width, clientHeight: height } = u.over;
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  u.over.append(canvas);
  const ctx = canvas.getContext("2d");
  ctx.scale(devicePixelRatio, devicePixelRatio);
  const clear = () => ctx.clearRect(0, 0, width, height);
  return {
    hide: clear,
    show(at, marks, near) {
      clear();
      if (near) {
        ctx.globalAlpha = 0.5;
        ctx.fillStyle = surface;
        ctx.fillRect(0, 0, width, height);
        ctx.globalAlpha = 1;
        ctx.strokeStyle = near.colour;
        ctx.lineWidth = 2.5;
        ctx.lineJoin = "round";
        trace(ctx, u, near.values);
        ctx.stroke();
      }
      for (const { values, colour } of marks) {
        ctx.fillStyle = colour;
        ctx.beginPath();
        ctx.arc(u.valToPos(u.data[0][at], "x"), u.valToPos(values[at], "y"), 3.5, 0, 7);
        ctx.fill();
      }
    },
  };
}

/** The path of a line, with its gaps, in pixels of the plot. */
function trace(ctx, u, values) {
  const [times] = u.data;
  const left = u.valToPos(times[0], "x");
  const step = times.length > 1 ? u.valToPos(times[1], "x") - left : 0;
  const zero = u.valToPos(0, "y");
  const scale = u.valToPos(1, "y") - zero;
  ctx.beginPath();
  let drawn = false;
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] === null) drawn = false;
    else {
      const [x, y] = [left + at * step, zero + values[at] * scale];
      if (drawn) ctx.lineTo(x, y);
      else ctx.moveTo(x, y);
      drawn = true;
    }
  }
}
