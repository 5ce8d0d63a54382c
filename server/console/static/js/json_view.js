// The answer as it came, and the request as a command for a shell.

import { byId, el } from "./dom.js";
import { formatValue } from "./format.js";
import { needsToken } from "./session.js";

const MOST = 200_000;

async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1200);
}

/** Two levels deep one item a line, samples in one: readable, and not a line a number. */
export function pretty(value, depth = 0) {
  const inner = "  ".repeat(depth + 1);
  if (Array.isArray(value) && value.length && !value.every((v) => typeof v !== "object")) {
    return `[\n${value.map((v) => inner + pretty(v, depth + 1)).join(",\n")}\n${"  ".repeat(depth)}]`;
  }
  if (value && typeof value === "object" && !Array.isArray(value)) {
    const entries = Object.entries(value);
    if (entries.length === 0) return "{}";
    return `{\n${entries.map(([k, v]) => `${inner}${JSON.stringify(k)}: ${pretty(v, depth + 1)}`).join(",\n")}\n${"  ".repeat(depth)}}`;
  }
  return JSON.stringify(value);
}

export function curl(request) {
  const body = JSON.stringify(request).replaceAll("'", String.raw`'\''`);
  const header = needsToken() ? ' -H "Authorization: Bearer $NOVA_TOKEN"' : "";
  return `curl -s ${location.origin}/v1/novaql${header} -H 'Content-Type: application/json' -d '${body}'`;
}

export function showJson({ body, text, bytes }, request) {
  const whole = pretty(body);
  const cut = whole.length > MOST;
  byId("panel-json").replaceChildren(
    el("div", { className: "json-bar" },
      el("button", { type: "button", className: "quiet", onclick: (event) => copy(text, event.currentTarget) }, "Copy JSON"),
      el("button", { type: "button", className: "quiet", onclick: (event) => copy(curl(request), event.currentTarget) }, "Copy as curl"),
      el("span", { className: "hint" }, `${formatValue(bytes, "bytes", 3)}${cut ? ", the beginning is shown; Copy JSON takes it all" : ""}`)),
    el("pre", { className: "json-text", tabIndex: 0, "aria-label": "The answer as JSON" }, cut ? `${whole.slice(0, MOST)}\n…` : whole),
  );
}

export function clearJson(title) {
  byId("panel-json").replaceChildren(el("div", { className: "empty" }, el("b", {}, title)));
}
