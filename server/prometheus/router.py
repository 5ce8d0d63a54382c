"""The endpoints of Prometheus's API, below both of their bases."""

from __future__ import annotations

from server.platform.endpoint import Endpoint
from server.platform.scopes import Role
from server.prometheus import metadata, queries, status
from server.prometheus.envelope import PrometheusAnswer

_BOTH = ("GET", "POST")
_GET = ("GET",)
_RANGE = {
    "start": "earliest time, Unix seconds or RFC 3339",
    "end": "latest time",
    "limit": "keep the first so many; 0: all",
}
_MATCH = {"match[]": "a series selector; may stand more than once"} | _RANGE
_QUERY = {
    "query": "PromQL",
    "timeout": "a duration like `30s`",
    "limit": "keep the first so many series; 0: all",
    "lookback_delta": "how long a sample stays visible",
    "stats": "`true` or `all`: add statistics",
}


def _endpoints(base: str, *, documented: bool) -> tuple[Endpoint, ...]:
    def row(
        methods: tuple[str, ...],
        path: str,
        handler: object,
        parameters: dict[str, str] | None = None,
        errors: tuple[int, ...] = (503,),
    ) -> Endpoint:
        assert callable(handler)
        return Endpoint(
            methods,
            f"{base}{path}",
            handler,
            Role.READ_ONLY,
            "prometheus",
            errors=(*errors, *((413, 415) if "POST" in methods else ())),
            answer=PrometheusAnswer,
            parameters=parameters or {},
            documented=documented,
        )

    run = (422, 503)
    times = {k: v for k, v in _RANGE.items() if k != "limit"}
    return (
        row(_BOTH, "/query", queries.query, {**_QUERY, "time": "Unix seconds or RFC 3339"}, run),
        row(_BOTH, "/query_range", queries.query_range, {**_QUERY, **times, "step": "width"}, run),
        row(_BOTH, "/format_query", queries.format_query, {"query": "PromQL"}),
        row(_BOTH, "/series", metadata.series, _MATCH),
        row(_BOTH, "/labels", metadata.labels, _MATCH),
        row(_GET, "/label/{name}/values", metadata.label_values, _MATCH),
        row(
            _GET,
            "/metadata",
            metadata.metadata,
            {"metric": "only this one", "limit": "most metrics", "limit_per_metric": "most each"},
        ),
        row(_GET, "/status/buildinfo", status.buildinfo),
        row(_GET, "/status/runtimeinfo", status.runtimeinfo),
    )


def _probes(base: str) -> tuple[Endpoint, ...]:
    return (
        Endpoint(_GET, f"{base}/-/healthy", status.healthy, None, "health", documented=False),
        Endpoint(_GET, f"{base}/-/ready", status.ready, None, "health", documented=False),
    )


ENDPOINTS = (
    *_endpoints("/prometheus/api/v1", documented=True),
    *_endpoints("/api/v1", documented=False),
    *_probes("/prometheus"),
    *_probes(""),
)
