// What the page shows, in the address: the query, the range, the step, the tab. A link is the state.

export const RANGES = { "15m": 900, "1h": 3600, "6h": 21600, "24h": 86400 };
const DEFAULTS = { q: "", range: "6h", from: null, to: null, step: "auto", refresh: "off", unit: "auto", tab: "chart" };
const UNITS = ["auto", "number", "percent", "seconds", "bytes", "bytes/s", "/s"];
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const DURATION = /^[1-9]\d{0,5}[smhd]$/;
const LONGEST_REFRESH_S = 86400;
const [EARLIEST_S, LATEST_S] = [-62e9, 253e9]; // within the years 1 to 9999, in all time zones
const SECONDS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };

/** The state of the address. Values that no control could have are the defaults. */
export function readState() {
  const state = { ...DEFAULTS };
  const given = new URLSearchParams(location.search);
  if (given.has("g0.expr")) Object.assign(state, stateOfPrometheus(given));
  for (const key of Object.keys(DEFAULTS)) if (given.has(key)) state[key] = given.get(key);
  for (const key of ["from", "to"]) {
    const number = state[key] === null || state[key] === "" ? NaN : Number(state[key]);
    state[key] = number >= EARLIEST_S && number <= LATEST_S ? number : null;
  }
  const custom = state.range === "custom" && state.from !== null && state.to > state.from;
  if (!custom && !Object.hasOwn(RANGES, state.range)) state.range = DEFAULTS.range;
  if (!DURATION.test(state.step)) state.step = DEFAULTS.step;
  if (!DURATION.test(state.refresh) || seconds(state.refresh) > LONGEST_REFRESH_S) state.refresh = DEFAULTS.refresh;
  if (!UNITS.includes(state.unit)) state.unit = DEFAULTS.unit;
  if (!["chart", "table", "json"].includes(state.tab)) state.tab = "chart";
  return state;
}

/** The first graph of a link as Prometheus writes it: `/graph?g0.expr=…&g0.tab=0&g0.range_input=2h`. */
function stateOfPrometheus(given) {
  const get = (name) => given.get(`g0.${name}`) ?? "";
  const state = { q: get("expr"), tab: ["0", "graph"].includes(get("tab")) ? "chart" : "table" };
  const range = get("range_input") || "1h";
  const ending = get("end_input") || get("moment_input"); // "2026-01-31 12:00:00", in UTC
  const end = ending ? Date.parse(`${ending.replace(" ", "T")}Z`) / 1000 : NaN;
  const length = [...range.matchAll(/(\d+)([smhdwy])/g)].reduce((sum, [, count, unit]) => sum + count * SECONDS[unit], 0);
  if (Object.hasOwn(RANGES, range) && Number.isNaN(end)) return { ...state, range };
  const to = Math.floor(Number.isNaN(end) ? Date.now() / 1000 : end);
  return length > 0 ? { ...state, range: "custom", from: to - length, to } : state;
}

/** The address of a state, without a fragment. */
export function addressOf(state) {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    if (value !== null && value !== DEFAULTS[key]) out.set(key, String(value));
  }
  if (state.range !== "custom") {
    out.delete("from");
    out.delete("to");
  }
  const search = out.toString();
  return location.pathname.replace(/graph$/, "") + (search ? `?${search}` : "");
}

export function writeState(state, { push = false } = {}) {
  const address = addressOf(state);
  if (address === location.pathname + location.search) return;
  history[push ? "pushState" : "replaceState"](null, "", push ? address : address + location.hash);
}

export const seconds = (text) => Number(text.slice(0, -1)) * SECONDS[text.slice(-1)];

/** {start, end, step} in seconds. Steps fall on multiples of the step, so refreshing does not wobble. */
export function window_(state, now = Date.now() / 1000) {
  const custom = state.range === "custom";
  const end = custom ? state.to : now;
  const start = custom ? state.from : now - RANGES[state.range];
  const wanted = (end - start) / 360;
  const step = state.step === "auto" ? STEPS.find((s) => s >= wanted) ?? 86400 * Math.ceil(wanted / 86400) : seconds(state.step);
  return { start: Math.ceil(start / step) * step, end: Math.max(Math.ceil(start / step), Math.floor(end / step)) * step, step, now: end };
}
