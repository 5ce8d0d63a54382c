// The server, as the page sees it. Every refusal becomes an ApiError.

import { askForToken, token } from "./token.js";

export class ApiError extends Error {
  constructor(status, body) {
    const error = body?.error ?? {};
    const envelope = typeof error === "string" ? { message: error } : error;
    super(envelope.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = envelope.code ?? `http_${status}`;
    this.requestId = envelope.request_id ?? null;
    const first = Array.isArray(envelope.details) ? envelope.details[0] ?? {} : envelope.details ?? {};
    this.line = envelope.line ?? first.line ?? null;
    this.column = envelope.column ?? first.column ?? null;
    this.length = envelope.length ?? first.length ?? 1;
    this.details = Array.isArray(envelope.details) ? envelope.details : [];
  }
}

async function send(path, options = {}, mayAsk = true) {
  const held = token();
  const headers = { Accept: "application/json", ...options.headers };
  if (held) headers.Authorization = `Bearer ${held}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new ApiError(0, { error: { code: "unreachable", message: "The server cannot be reached. Is it still running?" } });
  }
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    if (response.ok) throw new ApiError(response.status, { error: { message: "The answer is not JSON." } });
  }
  if (response.ok) return { body, text, bytes: text.length };
  if (response.status === 401 && mayAsk) {
    const problem = held ? "The server does not know this token." : "";
    // Another request may have brought a new token meanwhile.
    if (token() !== held || (await askForToken(problem))) return send(path, options);
  }
  throw new ApiError(response.status, body);
}

/** POST /v1/novaql. Resolves to {body, text, bytes, ms}: `ms` is the whole round trip. */
export async function runQuery(request, signal) {
  const started = performance.now();
  const answer = await send("/v1/novaql", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });
  return { ...answer, ms: performance.now() - started };
}

const remembered = new Map();

/** A list from the Prometheus base, kept for half a minute. Asks for a token only with `ask`. */
async function list(path, ask = false) {
  const known = remembered.get(path);
  if (known && Date.now() - known.at < 30_000) return known.values;
  try {
    const { body } = await send(`/prometheus/api/v1/${path}`, {}, ask);
    const values = body.data ?? [];
    remembered.set(path, { at: Date.now(), values });
    return values;
  } catch {
    return [];
  }
}

const of = (metric) => (metric ? `?match[]=${encodeURIComponent(metric)}` : "");

export const metricNames = ({ ask = false } = {}) => list("label/__name__/values", ask);
export const labelNames = (metric) => list(`labels${of(metric)}`);
export const labelValues = (name, metric) =>
  list(`label/${encodeURIComponent(name)}/values${of(metric)}`);

export async function serverIsUp() {
  try {
    return (await fetch("/healthz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}
