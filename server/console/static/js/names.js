// Names of metrics and labels: as text on the page, and as a query has to write them.

const ESCAPES = { "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r" };
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

function escaped(char) {
  const code = char.codePointAt(0);
  if (code < 0x80) return ESCAPES[char] ?? `\\x${code.toString(16).padStart(2, "0")}`;
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** A text on one line. What cannot be seen is escaped: no name turns the direction of what is around it. */
export const visible = (text) => text.replace(UNPRINTABLE, escaped);

/** The inside of a string of the query language, between quotes of this kind. */
export function inQuotes(text, quote) {
  if (quote === "`") return text;
  return visible(text.replace(/[\\"']/g, (char) => (char === "\\" || char === quote ? `\\${char}` : char)));
}

const quoted = (text) => `"${inQuotes(text, '"')}"`;
const isPlainMetric = (name) => /^[A-Za-z_:][\w:]*$/.test(name);

/** A label in a query: in quotes outside the classic alphabet. */
export const labelInQuery = (name) => (/^[A-Za-z_]\w*$/.test(name) ? name : quoted(name));

/** The selector of a metric, with its matchers as text. */
export function selectorOf(metric, matchers = "") {
  if (metric === "" || isPlainMetric(metric)) return matchers || metric === "" ? `${metric}{${matchers}}` : metric;
  return matchers ? `{${quoted(metric)}, ${matchers}}` : `{${quoted(metric)}}`;
}

/** `name{label="value"}`, as in a query. */
export function seriesName(metric) {
  const { __name__: name = "", ...labels } = metric;
  return selectorOf(name, Object.entries(labels).map(([key, value]) => `${labelInQuery(key)}=${quoted(value)}`).join(", "));
}

/** The value of a label; undefined for a series without it, also if its name is `constructor`. */
export const labelOf = (metric, name) => (Object.hasOwn(metric, name) ? metric[name] : undefined);

/**
 * Short names for charts: the values of the labels that differ between the series. Series that these do
 * not distinguish, such as `{a="x"}` and `{b="x"}`, have their whole name.
 */
export function shortNames(metrics) {
  if (metrics.length === 1) return [seriesName(metrics[0])];
  const keys = [...new Set(metrics.flatMap((metric) => Object.keys(metric)))];
  const differ = keys.filter((key) => new Set(metrics.map((metric) => labelOf(metric, key))).size > 1);
  const names = metrics.map((metric) => differ.filter((key) => Object.hasOwn(metric, key)).map((key) => visible(metric[key])).join(" · "));
  const uses = new Map();
  for (const name of names) uses.set(name, (uses.get(name) ?? 0) + 1);
  return names.map((name, at) => (name === "" || uses.get(name) > 1 ? seriesName(metrics[at]) : name));
}
