// A database without samples: how to send the first ones.

import { el } from "./dom.js";
import { needsToken } from "./session.js";

function snippets() {
  const { origin } = location;
  const token = needsToken();
  const header = token ? ' -H "Authorization: Bearer $NOVA_TOKEN"' : "";
  const credentials = token ? "\n    authorization: {credentials_file: token}" : "";
  const otlp = token ? '\nexport OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20$NOVA_TOKEN"' : "";
  return [
    ["One sample, from a shell", `curl -s ${origin}/v1/ingest${header} -H 'Content-Type: text/plain' --data-binary 'room_celsius{room="attic"} 17.5'`],
    ["Prometheus, in prometheus.yml", `remote_write:\n  - url: ${origin}/prometheus/api/v1/write${credentials}`],
    ["OpenTelemetry, in the environment of a program", `export OTEL_EXPORTER_OTLP_ENDPOINT=${origin}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf${otlp}`],
    ["Targets that the server scrapes", "novaql serve --scrape-config prometheus.yml"],
  ];
}

/** What to show instead of a chart; `look` checks again whether there are samples. */
export function firstRun(look) {
  const intro = needsToken() ? "A sender needs a token with the role operator." : "This server takes samples without a token.";
  return [
    el("p", {}, `Send the first ones. ${intro}`),
    ...snippets().map(([title, text]) =>
      el("section", { className: "snippet" },
        el("h3", {}, title),
        el("pre", { tabIndex: 0, "aria-label": title }, text),
        el("button", { type: "button", className: "quiet", onclick: () => navigator.clipboard.writeText(text) }, "Copy"))),
    el("p", {}, "All formats are in the ", el("a", { href: "/docs#/ingest" }, "documentation of the API"), ". This page looks every 15 seconds."),
    el("button", { type: "button", className: "quiet", id: "look-again", onclick: look }, "Look now"),
  ];
}
