// The server, as the page sees it. Every refusal becomes an ApiError.

import { askForToken } from "./session.js";

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

const MOST_WAITS = 3;
const LONGEST_WAIT_S = 30;

/**
 * Send a request. After a 429, wait for Retry-After and send it again, a few times;
 * `waits(seconds)` is called before each wait.
 */
async function fetchPatiently(path, { waits: says, ...options }) {
  for (let waits = 0; ; waits += 1) {
    let response;
    try {
      response = await fetch(path, { ...options, cache: "no-store" });
    } catch (problem) {
      if (problem.name === "AbortError") throw problem;
      throw new ApiError(0, { error: { code: "unreachable", message: "The server cannot be reached. Is it still running?" } });
    }
    const wait = Number(response.headers.get("Retry-After"));
    if (response.status !== 429 || waits >= MOST_WAITS || !(wait <= LONGEST_WAIT_S)) return response;
    says?.(wait);
    await pause(wait, options.signal);
  }
}

/** Rejects like `fetch` when the signal aborts. */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    }, { once: true });
  });
}

async function send(path, options = {}, mayAsk = true) {
  const headers = { Accept: "application/json", ...options.headers };
  const response = await fetchPatiently(path, { ...options, headers });
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    if (response.ok) throw new ApiError(response.status, { error: { message: "The answer is not JSON." } });
  }
  if (response.ok) return { body, text, bytes: text.length };
  if (response.status === 401 && mayAsk && (await askForToken())) return send(path, options, false);
  throw new ApiError(response.status, body);
}

const post = (path, request, signal, waits) => send(path, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(request),
  signal,
  waits,
});

/** Why a query has no result: {causes, complete}. */
export const whyEmpty = async (request, signal) => (await post("/v1/novaql/why-empty", request, signal)).body;

/** POST /v1/novaql. Resolves to {body, text, bytes, ms}: `ms` is the whole round trip. */
export async function runQuery(request, signal, waits) {
  const started = performance.now();
  const answer = await post("/v1/novaql", request, signal, waits);
  return { ...answer, ms: performance.now() - started };
}

const remembered = new Map();

/** A list from the Prometheus base, cached for half a minute. Never requests a token. */
async function list(path) {
  const known = remembered.get(path);
  if (known && Date.now() - known.at < 30_000) return known.values;
  try {
    const { body } = await send(`/prometheus/api/v1/${path}`, {}, false);
    const values = body.data ?? [];
    remembered.set(path, { at: Date.now(), values });
    return values;
  } catch {
    return [];
  }
}

const of = (metric) => (metric ? `?match[]=${encodeURIComponent(metric)}` : "");

export function metricNames({ fresh = false } = {}) {
  if (fresh) remembered.clear();
  return list("label/__name__/values");
}

/** Whether the database has a sample; true if that is unknown. */
export async function hasSamples() {
  try {
    const { body } = await send("/prometheus/api/v1/label/__name__/values?limit=1", {}, false);
    return body.data.length > 0;
  } catch {
    return true;
  }
}

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
