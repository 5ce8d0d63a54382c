// Queries for the demo's fleet, and for any machine with node metrics. A click runs one.

import { byId, el } from "./dom.js";
import { selectorOf } from "./names.js";

/** `needs`: a metric without which the group is not shown. `live`: data begins at the server's start. */
export const EXAMPLES = [
  { title: "Traffic and errors", needs: "http_requests_total", live: false, queries: [
    ["Error ratio by service", `sum by (service) (rate(http_requests_total{status=~"5.."}[5m]))
  / sum by (service) (rate(http_requests_total[5m]))`, "percent"],
    ["Requests by service", "sum by (service) (rate(http_requests_total[5m]))", "/s"],
    ["Requests by status", "sum by (status) (rate(http_requests_total[5m]))", "/s"],
    ["Worst five by errors", `topk(5, sum by (instance, status) (increase(http_requests_total{status=~"5.."}[1h])))`, "number"],
  ] },
  { title: "Latency", needs: "http_request_duration_seconds_bucket", live: false, queries: [
    ["99th percentile by service", `histogram_quantile(0.99,
  sum by (service, le) (rate(http_request_duration_seconds_bucket[5m])))`, "seconds"],
    ["Mean latency of checkout", `sum(rate(http_request_duration_seconds_sum{service="checkout"}[5m]))
  / sum(rate(http_request_duration_seconds_count{service="checkout"}[5m]))`, "seconds"],
    ["Share within 250 ms", `sum by (service) (rate(http_request_duration_seconds_bucket{le="0.25"}[5m]))
  / sum by (service) (rate(http_request_duration_seconds_count[5m]))`, "percent"],
  ] },
  { title: "The fleet", needs: "deploy_info", live: false, queries: [
    ["Who is up", `sum by (service) (up{job="shop"})`, "number"],
    ["Counter resets, 24 h", "sum by (instance) (resets(process_cpu_seconds_total[24h])) > 0", "number"],
    ["Memory by instance", `process_resident_memory_bytes{job="shop"}`, "bytes"],
    ["Queue depth", "max by (service) (queue_depth)", "number"],
    ["CPU joined with version", `sum by (service, version) (
  rate(process_cpu_seconds_total[5m]) * on (instance) group_left (version) deploy_info)`, "number"],
  ] },
  { title: "This machine", needs: "node_cpu_seconds_total", live: true, queries: [
    ["CPU by mode", "sum by (mode) (rate(node_cpu_seconds_total[1m]))", "number"],
    ["Memory in use", "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "percent"],
    ["Network in", "rate(node_network_receive_bytes_total[1m])", "bytes/s"],
    ["Queries answered", "sum by (outcome) (rate(novaql_queries_total[1m]))", "/s"],
  ] },
  { title: "What is here", needs: null, live: false, queries: [
    ["Targets that answer", "up", "number"],
    ["Series by metric", `topk(20, count by (__name__) ({__name__!=""}))`, "number"],
    ["Series by job", `count by (job) ({job!=""})`, "number"],
  ] },
];

/** The groups that can answer something where these metrics are. */
export const fitting = (metrics) => EXAMPLES.filter(({ needs }) => needs === null || metrics.includes(needs));

/**
 * The query that the page opens with, and its unit: what may be broken, or else the first metric there is.
 */
export function opening(groups, metrics) {
  const [, query, unit] = groups[0].queries[0];
  const unknown = groups[0].needs === null && metrics.length > 0 && !metrics.includes(query);
  return unknown ? [selectorOf(metrics[0]), "auto"] : [query, unit];
}

/** The unit of the example with a query; undefined: no example has it. */
export const unitOf = (query) => EXAMPLES.flatMap(({ queries }) => queries).find(([, text]) => text === query)?.[2];

/** Show them; `pick(query, unit, live)` runs one. */
export function showExamples(groups, pick) {
  byId("examples").replaceChildren(
    ...groups.map(({ title, live, queries }) =>
      el("section", {}, el("h2", {}, title), ...queries.map(([name, query, unit]) =>
        el("button", { type: "button", title: query, "data-query": query, onclick: () => pick(query, unit, live) }, name))),
    ),
  );
}

/** Mark the example that is on show. */
export function markExample(query) {
  for (const button of byId("examples").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.query === query));
  }
}
