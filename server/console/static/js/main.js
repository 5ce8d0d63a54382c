// Where everything meets: state in the address, controls, running, showing.

import { forgetNames, hasSamples, metricNames, runQuery, serverIsUp } from "./api.js";
import { clearChart, forgetHidden, redraw, showChart, startChart } from "./chart.js";
import { byId } from "./dom.js";
import { markFault, queryText, setQuery, startEditor } from "./editor.js";
import { reasonsFor } from "./empty.js";
import { fitting, markExample, opening, showExamples, unitOf } from "./examples.js";
import { firstRun } from "./first_run.js";
import { guessUnit, localField } from "./format.js";
import { clearJson, showJson } from "./json_view.js";
import { hideError, showError, showNotices, showStats } from "./notices.js";
import { openInvitation } from "./invitation.js";
import { ApiError } from "./request.js";
import { addressOf, readState, RANGES, seconds, window_, writeState } from "./state.js";
import { clearTable, showTable } from "./table.js";
import { startTheme } from "./theme.js";
import { askForToken, signIn, takeFromAddress, whoAmI } from "./session.js";

const TABS = ["chart", "table", "json"];
let state;
let running = null;
let timer = null;
let awaiting = null; // the interval that looks for the first samples
let before = null; // the range to go back to after zooming
let away = false; // it is unknown who is signed in: the next run begins with that

function setState(changes, options) {
  state = { ...state, ...changes };
  writeState(state, options);
  showControls();
}

function showControls() {
  for (const button of byId("ranges").children) {
    button.setAttribute("aria-pressed", String(button.dataset.range === state.range));
  }
  for (const name of ["step", "refresh", "unit"]) choose(byId(name), state[name]);
  byId("custom").hidden = state.range !== "custom";
  if (state.range === "custom") {
    byId("from").value = localField(state.from);
    byId("to").value = localField(state.to);
  }
  for (const name of TABS) {
    const selected = name === state.tab;
    byId(`tab-${name}`).setAttribute("aria-selected", String(selected));
    byId(`tab-${name}`).tabIndex = selected ? 0 : -1;
    byId(`panel-${name}`).hidden = !selected;
  }
  markExample(state.q);
  schedule();
}

/** Choose a value of a list; one that only the address has is added. */
function choose(select, value) {
  if (![...select.options].some((option) => option.value === value)) select.add(new Option(value, value));
  select.value = value;
}

function schedule() {
  clearTimeout(timer);
  if (state.refresh === "off") return;
  timer = setTimeout(async () => {
    if (!document.hidden && running === null) await run({ quiet: true });
    schedule();
  }, seconds(state.refresh) * 1000);
}

/** Run the text of the editor, for the tab on show, with changes of the state. The newest run wins. */
async function run({ quiet = false, changes = {} } = {}) {
  const query = quiet ? state.q : queryText();
  if (away && !quiet) {
    setState({ q: query, ...changes });
    await begin();
    return;
  }
  running?.abort();
  clearInterval(awaiting);
  awaiting = null;
  if (!query.trim()) return;
  const mine = new AbortController();
  running = mine;
  if (!quiet) {
    if (query !== state.q) forgetHidden();
    const unit = query !== state.q && state.unit === unitOf(state.q) ? "auto" : state.unit; // an example's is only for its query
    setState({ q: query, unit, ...changes }, { push: true });
  }
  const span = window_(state);
  const ranged = state.tab !== "table";
  const request = ranged ? { query, start: span.start, end: span.end, step: `${span.step}s` } : { query, time: span.now };
  byId("progress").hidden = quiet;
  byId("run").setAttribute("aria-busy", "true");
  try {
    const answer = await runQuery(request, mine.signal, (wait) => {
      byId("stats").textContent = `The server takes no more requests now; trying again in ${wait} s …`;
    });
    if (running !== mine) return;
    show(answer, request, span);
    if (isEmpty(answer.body) && !quiet) await explainEmpty(answer.body, request, mine.signal);
  } catch (problem) {
    if (running === mine) fail(problem, query);
  } finally {
    if (running === mine) {
      running = null;
      byId("progress").hidden = true;
      byId("run").removeAttribute("aria-busy");
    }
  }
}

const isEmpty = ({ result }) => Array.isArray(result) && result.length === 0;
const clear = (...what) => (state.tab === "table" ? clearTable : clearChart)(...what);

/** Show why there is no answer, or how the first samples come in. */
async function explainEmpty({ infos }, request, signal) {
  if (state.tab === "json") return;
  const look = (from, to) => {
    const { start, end } = window_(state);
    setState({ range: "custom", from: Math.floor(Math.max(from, to - (end - start))), to: Math.ceil(to) + 1, refresh: "off" }, { push: true });
    run();
  };
  const use = (query) => {
    setQuery(query);
    run();
  };
  const [any, reasons] = await Promise.all([hasSamples(true), reasonsFor(request, infos, { use, look }, signal)]);
  if (signal.aborted) return; // a newer run shows its answer
  if (any) clear(state.tab === "table" ? "The query answers nothing at this time." : "The query answers nothing in this range.", ...reasons);
  else awaitSamples();
}

/** The page of a database without samples, until it has some. */
function awaitSamples() {
  const look = async () => {
    if (document.hidden || !(await hasSamples(false)) || awaiting === null) return;
    await start(true);
  };
  clear("There are no samples yet.", ...firstRun(look));
  awaiting ??= setInterval(look, 15_000);
}

function show(answer, request, span) {
  const { body } = answer;
  hideError();
  markFault(null);
  showNotices(isEmpty(body) && state.tab !== "json" ? { warnings: body.warnings } : body);
  const rows = Array.isArray(body.result) && body.result[0]?.metric ? body.result.length : body.result_type === "scalar" || body.result_type === "string" ? 1 : 0;
  showStats(body.stats, rows, answer.ms);
  const unit = state.unit === "auto" ? guessUnit(request.query) : state.unit;
  if (state.tab === "json") showJson(answer, request);
  else if (state.tab === "table" && isEmpty(body)) clearTable("The query answers nothing at this time.", "Looking why …");
  else if (state.tab === "table") showTable(body, unit);
  else if (body.result_type === "matrix" && body.result.length) showChart(body.result, span, unit);
  else if (body.result_type === "string") clearChart("A text has no chart.", "The table shows it.");
  else if (state.refresh !== "off") clearChart("Nothing yet.", "A rate takes two samples; the chart refreshes by itself.");
  else clearChart("The query answers nothing in this range.", "Looking why …");
}

function fail(problem, query) {
  if (problem.name === "AbortError") return;
  if (!(problem instanceof ApiError)) throw problem;
  if (problem.status === 401) setState({ refresh: "off" }); // else each refresh would ask for a token
  showNotices({});
  showError(problem, query);
  byId("stats").textContent = "";
  if (problem.line && query === queryText()) markFault(problem);
  clearChart("No result.");
  clearTable("No result.");
  clearJson("No result.");
}

function pick(query, unit, live) {
  setQuery(query);
  // What began with the server fills the chart while one watches.
  run({ changes: { unit, ...(live ? { range: "15m", refresh: state.refresh === "off" ? "5s" : state.refresh } : {}) } });
}

function chooseRange(range) {
  before = null;
  if (range === "custom") {
    const { now } = window_(state);
    const length = state.range === "custom" ? state.to - state.from : RANGES[state.range];
    setState({ range, to: Math.floor(now), from: Math.floor(now - length), refresh: "off" });
    byId("from").focus();
  } else setState({ range });
  run();
}

function customRange() {
  const [from, to] = ["from", "to"].map((id) => new Date(byId(id).value).getTime() / 1000);
  const good = Number.isFinite(from) && Number.isFinite(to) && from < to;
  byId("to").setCustomValidity(good ? "" : "The end has to come after the beginning.");
  if (!good) {
    byId("to").reportValidity();
    return;
  }
  setState({ range: "custom", from, to });
  run();
}

function chooseTab(name) {
  setState({ tab: name });
  run();
}

function startControls() {
  for (const button of byId("ranges").children) button.addEventListener("click", () => chooseRange(button.dataset.range));
  for (const id of ["step", "unit"]) byId(id).addEventListener("change", (event) => { setState({ [id]: event.target.value }); run(); });
  byId("refresh").addEventListener("change", (event) => setState({ refresh: event.target.value }));
  for (const id of ["from", "to"]) byId(id).addEventListener("change", customRange);
  byId("run").addEventListener("click", () => run());
  byId("run-key").textContent = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘↵" : "Ctrl ↵";
  byId("session-button").addEventListener("click", async () => { if (await askForToken()) await start(); });
  for (const name of TABS) {
    const tab = byId(`tab-${name}`);
    tab.addEventListener("click", () => chooseTab(name));
    tab.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (move === undefined) return;
      const next = TABS[(TABS.indexOf(name) + move + TABS.length) % TABS.length];
      byId(`tab-${next}`).focus();
      chooseTab(next);
    });
  }
}

async function watchServer() {
  const up = await serverIsUp();
  byId("server").dataset.state = up ? "up" : "down";
  byId("server").textContent = up ? "ready" : "server unreachable";
}

/** A token or an invitation in the address, else the session of the cookie, else the dialog. */
async function arrive() {
  const given = takeFromAddress("token");
  const invitation = takeFromAddress("invitation");
  if (invitation && (await openInvitation(invitation))) return true;
  if (invitation) return (await whoAmI()) !== null;
  const problem = given ? await signIn(given) : "";
  if (problem === "" && (await whoAmI())) return true;
  return askForToken(problem);
}

/** Run the query of the address, or the first example, and list the examples. `refreshed`: samples have arrived. */
async function start(refreshed = false) {
  forgetNames();
  if (state.q && !refreshed) await run();
  const names = await metricNames();
  const groups = fitting(names);
  showExamples(groups, pick);
  if (!state.q || refreshed) {
    const [query, unit] = opening(groups, names);
    setQuery(query);
    setState({ q: query, unit, ...(refreshed ? { tab: "table" } : {}) }); // a range of steps may end before the first sample
    await run();
  }
  markExample(state.q);
}

async function begin() {
  away = false;
  try {
    if (await arrive()) await start();
    else clearChart("Sign in to query.", "The server requires a token. Run prompts for it again.");
  } catch (problem) {
    away = true;
    fail(problem, queryText());
  }
}

state = readState();
writeState(state); // one spelling, so that going back does not lead to another one of the same
startTheme(redraw);
startEditor({ run, edited: () => byId("error").hidden || hideError() });
startControls();
startChart({
  zoomed: (from, to) => {
    before ??= { range: state.range, from: state.from, to: state.to };
    setState({ range: "custom", from, to, refresh: "off" }, { push: true });
    run();
  },
  reset: () => {
    if (!before) return;
    setState(before);
    before = null;
    run();
  },
});
addEventListener("popstate", () => {
  const earlier = readState();
  if (addressOf(earlier) === addressOf(state)) return; // only the fragment is another
  state = earlier;
  writeState(state);
  setQuery(state.q);
  showControls();
  run();
});
addEventListener("hashchange", () => {
  if (/[#&](token|invitation)=/.test(location.hash)) location.reload(); // a link, opened in this tab
});
setQuery(state.q);
showControls();
clearChart(state.q ? "Running the query …" : "Looking what is here …");
await begin();
await watchServer();
setInterval(watchServer, 30_000);
