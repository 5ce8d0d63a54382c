// One request to the server. What is no answer becomes an ApiError, as a refusal does.

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

const unreachable = (message) => new ApiError(0, { error: { code: "unreachable", message } });

/** A response; its body is not read yet. */
export async function respond(path, options = {}) {
  try {
    return await fetch(path, { ...options, cache: "no-store" });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw unreachable("The server cannot be reached. Is it still running?");
  }
}

/** The whole body of a response: {text, body}; `body` is undefined if it is not JSON. */
export async function bodyOf(response) {
  let text;
  try {
    text = await response.text();
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw unreachable("The answer broke off before its end. Run the query again.");
  }
  try {
    return { text, body: JSON.parse(text) };
  } catch {
    return { text, body: undefined };
  }
}
