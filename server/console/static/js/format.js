// Numbers and times as people read them.

const SI = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
const BINARY = [[2 ** 50, "PiB"], [2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const TIME = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];

function scaled(value, table, gap, digits) {
  if (value === 0) return `0${gap}${table.find(([factor]) => factor === 1)[1]}`.trimEnd();
  const size = Math.abs(value);
  const [factor, sign] = table.find(([f]) => size >= f * 0.9995) ?? table[table.length - 1];
  return `${trim(value / factor, digits)}${gap}${sign}`.trimEnd();
}

function trim(value, digits) {
  const text = value.toPrecision(digits);
  return text.includes("e") ? String(Number(text)) : String(Number.parseFloat(text));
}

/** A value in a unit; `digits` are significant ones. Specials retain their names. */
export function formatValue(value, unit = "number", digits = 4) {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "—";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  switch (unit) {
    case "percent": return `${trim(value * 100, digits)} %`;
    case "seconds": return scaled(value, TIME, " ", digits);
    case "bytes": return scaled(value, BINARY, " ", digits);
    case "bytes/s": return `${scaled(value, BINARY, " ", digits)}/s`;
    case "/s": return `${scaled(value, SI, " ", digits)}/s`;
    default: return scaled(value, SI, "", digits);
  }
}

/** The unit of a query, as far as its names contain it. */
export function guessUnit(query) {
  const rate = /\b(i?rate|deriv)\s*\(/.test(query);
  if (/histogram_quantile/.test(query)) return /seconds/.test(query) ? "seconds" : "number";
  if (/_ratio\b/.test(query)) return "percent";
  if (/\//.test(query.replace(/"[^"]*"/g, ""))) return "number";
  if (/\b(count|topk_count|count_values|group)\s*(by\b|without\b|\()/.test(query)) return "number";
  if (/_bytes(_total)?\b/.test(query)) return rate ? "bytes/s" : "bytes";
  if (/_seconds(_sum|_total)?\b/.test(query)) return rate ? "number" : "seconds";
  return rate ? "/s" : "number";
}

const CLOCK = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
export const formatTime = (seconds_) => CLOCK.format(new Date(seconds_ * 1000));

/** The value of a datetime-local field, in local time. */
export function localField(seconds_) {
  const moment = new Date(seconds_ * 1000);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

/** A sample value as a number; "NaN" and the infinities come as text. */
export function number(value) {
  if (typeof value === "number") return value;
  if (value === "+Inf") return Infinity;
  if (value === "-Inf") return -Infinity;
  return value === "NaN" ? NaN : Number(value);
}

export const grouped = (count) => Number(count).toLocaleString("en-US");
