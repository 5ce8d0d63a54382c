"""Queries that others wrote: they parse, are PromQL, and print to what reads back the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from novaql.language import format_expr, parse, parse_core

_SHARED = Path(__file__).resolve().parents[3] / "shared"
_SCRIPTS = _SHARED / "conformance" / "promqltest"
_EVAL = re.compile(
    r"\s*eval\w*\s+(?:instant(?:\s+at\s+\S+)?|range\s+from\s+\S+\s+to\s+\S+\s+step\s+\S+)\s+(.+)"
)


def _check(query: str) -> None:
    expr = parse(query)
    assert expr == parse(query, strict_promql=True)
    assert expr is parse_core(query)
    assert expr == parse(format_expr(expr))
    assert expr == parse(format_expr(expr, width=40))


@pytest.mark.skipif(
    not _SCRIPTS.is_dir(),
    reason=f"needs Prometheus's test scripts in {_SCRIPTS.relative_to(_SHARED.parent)}, "
    "beside the checkout",
)
def test_queries_of_prometheus_scripts_parse() -> None:
    queries = [
        found[1]
        for script in sorted(_SCRIPTS.glob("*.test"))
        for line in script.read_text().splitlines()
        if (found := _EVAL.fullmatch(line))
    ]
    assert len(queries) > 1000

    for query in queries:
        _check(query)


@pytest.mark.skipif(
    not (_SHARED / "peerbench" / "queries.py").is_file(),
    reason="needs the benchmark's queries in shared/peerbench, beside the checkout",
)
def test_queries_of_the_peer_benchmark_parse() -> None:
    module = ast.parse((_SHARED / "peerbench" / "queries.py").read_text())
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    named = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "Q"]
    queries = [ast.literal_eval(call.args[2]) for call in named]
    assert len(queries) > 20

    for query in filter(None, queries):
        _check(query)


# In the style of dashboards and alerts that people run.
REAL = [
    '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
    'sum(rate(http_requests_total{job="api",status=~"5.."}[5m])) by (route)\n'
    '  / ignoring (status) group_left\nsum(rate(http_requests_total{job="api"}[5m])) by (route)',
    "histogram_quantile(0.99, sum by (le, job) (rate(http_request_duration_seconds_bucket[5m])))",
    "predict_linear(node_filesystem_avail_bytes{mountpoint='/'}[6h], 4 * 3600) < 0",
    "topk(10, sum by (pod) (container_memory_working_set_bytes)) > 1e9",
    "max_over_time(sum(up)[1d:5m]) - min_over_time(sum(up)[1d:5m] offset 1w)",
    "label_replace(up, 'host', '$1', 'instance', '(.*):\\\\d+') * on (host) group_left () info",
    'absent(up{job="api"} == 1) or vector(0)',
    "time() - process_start_time_seconds > bool 86400",
    "count_values by (job) ('version', build_info) unless on (job) maintenance",
]


@pytest.mark.parametrize("query", REAL)
def test_everyday_queries_parse(query: str) -> None:
    _check(query)
