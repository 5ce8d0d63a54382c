// A native histogram of one time as bars: a bar a bucket, its height the share of the largest.

import { formatValue } from "./format.js";
import { bucketsOf } from "./histogram.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST_BARS = 320;

function shape(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** The bars as an image; each bar has its bucket and population as a title. */
export function bars(histogram, unit, { width = 220, height = 44 } = {}) {
  const buckets = bucketsOf(histogram).slice(0, MOST_BARS);
  const most = Math.max(...buckets.map(({ count }) => count), 0);
  const each = width / Math.max(1, buckets.length);
  const drawn = buckets.map((bucket, at) => {
    const tall = most > 0 && bucket.count > 0 ? Math.max(1, (bucket.count / most) * (height - 2)) : 0;
    const gap = each > 4 ? 1 : 0;
    const title = shape("title", {}, `${bucket.text(unit)}: ${formatValue(bucket.count)}`);
    return shape("rect", { x: at * each, y: height - 1 - tall, width: Math.max(0.5, each - gap), height: tall, fill: "currentColor" }, title);
  });
  const label = buckets.length ? `${buckets.length} buckets from ${formatValue(buckets[0].low, unit)} to ${formatValue(buckets.at(-1).high, unit)}` : "no buckets";
  return shape("svg", { class: "bars", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    ...drawn, shape("line", { x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }));
}
