// Native histograms as the API writes them.

import { formatValue, number } from "./format.js";

/** Buckets from low to high: {low, high, count, text}; `text` has the brackets of the ends that belong to it. */
export function bucketsOf({ buckets }) {
  return (buckets ?? []).map(([ends, low, high, count]) => ({
    low: number(low),
    high: number(high),
    count: number(count),
    text: (unit) => `${ends === 1 || ends === 3 ? "[" : "("}${formatValue(number(low), unit)}, ${formatValue(number(high), unit)}${ends === 0 || ends === 3 ? "]" : ")"}`,
  }));
}

/** A histogram in words. */
export function summaryOf({ count, sum }, unit) {
  const [many, total] = [number(count), number(sum)];
  const mean = many > 0 && Number.isFinite(total) ? `, mean ${formatValue(total / many, unit)}` : "";
  return `count ${formatValue(many)}${mean}`;
}
