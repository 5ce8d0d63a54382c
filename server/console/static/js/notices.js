// Errors, and annotations of the engine beside its answer.

import { byId, el } from "./dom.js";
import { grouped } from "./format.js";

/** Show an ApiError; with line and column also the place, with a caret below it. */
export function showError(problem, query) {
  const box = byId("error");
  const parts = [el("h2", {}, problem.message)];
  const facts = [problem.line && `line ${problem.line}, column ${problem.column}`, problem.code, problem.requestId].filter(Boolean);
  parts.push(el("p", { className: "where" }, facts.join(" · ")));
  if (problem.line) {
    const line = query.split("\n")[problem.line - 1] ?? "";
    const points = [...line];
    const pad = points.slice(0, problem.column - 1).map((c) => (c === "\t" ? "\t" : " ")).join("");
    const width = Math.max(1, points.length - problem.column + 1);
    const carets = "^".repeat(Math.max(1, Math.min(problem.length, width)));
    parts.push(el("pre", {}, `${line}\n${pad}`, el("span", { className: "caret" }, carets)));
  } else {
    for (const { pointer, message } of problem.details) {
      if (message) parts.push(el("p", { className: "where" }, `${pointer ?? ""} ${message}`.trim()));
    }
  }
  box.replaceChildren(...parts);
  box.hidden = false;
}

export function hideError() {
  byId("error").hidden = true;
}

export function showNotices({ warnings = [], infos = [] }) {
  byId("notices").replaceChildren(
    ...warnings.map((text) => el("p", { className: "notice warning" }, `Warning: ${text}`)),
    ...infos.map((text) => el("p", { className: "notice info" }, `Info: ${text}`)),
  );
  for (const node of byId("notices").children) node.style.margin = "0";
}

/** series · samples · server time · round trip */
export function showStats(stats = {}, rows, roundTrip) {
  const facts = [[grouped(rows), rows === 1 ? "series out" : "series out"]];
  if (stats.series !== undefined) facts.push([grouped(stats.series), "series read"]);
  if (stats.samples !== undefined) facts.push([grouped(stats.samples), "samples"]);
  const server = serverMs(stats);
  if (server !== null) facts.push([`${server < 10 ? server.toFixed(1) : Math.round(server)} ms`, "engine"]);
  facts.push([`${Math.round(roundTrip)} ms`, "round trip"]);
  byId("stats").replaceChildren(
    ...facts.flatMap(([value, name], at) => [at ? " · " : "", el("b", {}, value), ` ${name}`]),
  );
}

/** Milliseconds in the engine: the total where there is one, else the sum of the stages. */
export function serverMs(stats) {
  const sum = (stages) => Object.values(stages).reduce((a, b) => a + Number(b), 0);
  if (typeof stats.ms === "number") return stats.ms;
  if (stats.ms && typeof stats.ms === "object") return stats.ms.total ?? sum(stats.ms);
  if (stats.seconds && typeof stats.seconds === "object") return 1000 * (stats.seconds.total ?? sum(stats.seconds));
  return null;
}
