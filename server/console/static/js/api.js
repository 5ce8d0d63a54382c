// The server, as the page sees it. Every refusal becomes an ApiError.

import { ApiError, bodyOf, respond } from "./request.js";
import { askForToken, forgetSession } from "./session.js";

const MOST_WAITS = 3;
const LONGEST_WAIT_S = 30;

/**
 * Send a request. After a 429, wait for Retry-After and send it again, a few times;
 * `waits(seconds)` is called before each wait.
 */
async function fetchPatiently(path, { waits: says, ...options }) {
  for (let waits = 0; ; waits += 1) {
    const response = await respond(path, options);
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
  const { text, body } = await bodyOf(response);
  if (response.ok && body === undefined) throw new ApiError(response.status, { error: { message: "The answer is not JSON." } });
  if (response.ok) return { body, text, bytes: text.length };
  if (response.status === 401 && mayAsk) {
    forgetSession();
    if (await askForToken()) {
      forgetNames(); // those of another user's tenant
      return send(path, options, false);
    }
  }
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

/** Names are requested again: another user may have signed in, or samples have arrived. */
export const forgetNames = () => remembered.clear();

export const metricNames = () => list("label/__name__/values");

/** Whether the database has a sample; `unknown` if the server does not say so. */
export async function hasSamples(unknown) {
  try {
    const { body } = await send("/prometheus/api/v1/label/__name__/values?limit=1", {}, false);
    return body.data.length > 0;
  } catch {
    return unknown;
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
