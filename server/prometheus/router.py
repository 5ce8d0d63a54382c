"""The endpoints of Prometheus's API, below both base paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.server.auth.roles import Role
from novaql.server.http.data_route import DataRoute, Handler
from novaql.server.prometheus import (
    about,
    admin,
    alerting,
    exemplars,
    federation,
    metadata,
    queries,
    remote_read,
    search,
    status,
    targets,
)
from novaql.server.prometheus.envelope import PrometheusAnswer
from novaql.server.prometheus.fuzzy import ALGORITHMS
from novaql.server.prometheus.parameters import COUNT, TRUTH, WHOLE

_BOTH = ("GET", "POST")
_GET = ("GET",)
_WRITES = ("POST", "PUT")
_RUN = (422, 503)
_TIMES = {"start": "earliest time, Unix seconds or RFC 3339", "end": "latest time"}
_MATCH = {
    "match[]": "a series selector; may stand more than once",
    **_TIMES,
    "limit": "keep the first so many; 0: all",
}
_QUERY = {
    "query": "PromQL",
    "timeout": "a duration like `30s`",
    "limit": "keep the first so many series; 0: all",
    "lookback_delta": "how long a sample stays visible",
    "rollup": "a duration: rollups of this resolution may answer, windows move to multiples of it",
    "stats": "`true` or `all`: add statistics",
    "nocache": "`1`: neither use nor keep answers to range queries",
}
_METADATA = {
    "metric": "only this one",
    "limit": "most metrics",
    "limit_per_metric": "most for each metric",
}
_SEARCH = {
    "match[]": "search in series of these selectors",
    "search[]": "a term; may stand more than once, any of them matches",
    "fuzz_threshold": "0 to 100: least score of a fuzzy match",
    "fuzz_alg": "`subsequence` (default) or `jarowinkler`",
    "case_sensitive": "default true",
    "sort_by": "`alpha` or `score`",
    "sort_dir": "`asc` or `dsc`",
    "include_score": "tell the score of each",
    **_TIMES,
    "limit": "default 100",
    "batch_size": "results in one line; default 100",
}
_RULES = {
    "type": "`alert` or `record`",
    "rule_name[]": "only rules of this name",
    "rule_group[]": "only groups of this name",
    "file[]": "only groups of this file",
    "exclude_alerts": "leave active alerts out",
    "match[]": "only rules with these labels",
    "group_limit": "groups in one page",
    "group_next_token": "the next page",
}
_TARGET_METADATA = {
    "match_target": "targets with these labels",
    "metric": "only this one",
    "limit": "most targets",
}
_POOL = {"scrapePool": "a scrape job"}
_PATTERN = {"metric_name_pattern": "a regex for the whole name"}
_REQUIRED = {
    "/query": ("query",),
    "/query_range": ("query", "start", "end", "step"),
    "/query_exemplars": ("query",),
    "/format_query": ("query",),
    "/parse_query": ("query",),
    "/series": ("match[]",),
    "/search/label_values": ("label",),
    "/targets/relabel_steps": ("scrapePool", "labels"),
    "/admin/tsdb/delete_series": ("match[]",),
}
_RANGE: dict[str, Mapping[str, Any]] = {"limit": COUNT}
_SEARCHING: dict[str, Mapping[str, Any]] = {
    "fuzz_threshold": {"pattern": r"^(\+?0*([0-9]|[1-9][0-9]|100)|-0+)?$"},
    "fuzz_alg": {"enum": ["", *ALGORITHMS]},
    "case_sensitive": TRUTH,
    "include_score": TRUTH,
    "sort_by": {"enum": ["", "alpha", "score"]},
    "sort_dir": {"enum": ["", "asc", "dsc"]},
    "limit": COUNT,
    "batch_size": COUNT,
}
_SCHEMAS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "/query": _RANGE,
    "/query_range": _RANGE,
    "/series": _RANGE,
    "/labels": _RANGE,
    "/label/{name}/values": _RANGE,
    "/metadata": {"limit": WHOLE, "limit_per_metric": WHOLE},
    "/search/metric_names": {**_SEARCHING, "include_metadata": TRUTH},
    "/search/label_names": _SEARCHING,
    "/search/label_values": _SEARCHING,
    "/rules": {
        "type": {"pattern": "^([Aa][Ll][Ee][Rr][Tt]|[Rr][Ee][Cc][Oo][Rr][Dd])?$"},
        "exclude_alerts": TRUTH,
        "group_limit": {"pattern": r"^(\+?0*[1-9][0-9]*)?$"},
    },
    "/targets/metadata": {"limit": WHOLE},
    "/status/tsdb": {"limit": {"pattern": r"^(\+?0*([1-9][0-9]{0,3}|10000))?$"}},
    "/openapi.yaml": {"openapi_version": {"enum": ["", "3.1", "3.2"]}},
    "/admin/tsdb/snapshot": {"skip_head": TRUTH},
}
_NDJSON = ("application/x-ndjson",)


def _endpoints(base: str, *, documented: bool) -> tuple[DataRoute, ...]:
    def row(
        methods: tuple[str, ...],
        path: str,
        handler: Handler,
        parameters: dict[str, str] | None = None,
        errors: tuple[int, ...] = (503,),
        *,
        role: Role = Role.READ_ONLY,
        media: tuple[str, ...] = (),
        success: int = 200,
        nothing: bool = False,
        action: str | None = None,
    ) -> DataRoute:
        return DataRoute(
            methods,
            f"{base}{path}",
            handler,
            role,
            "prometheus",
            errors=(*errors, *(() if methods == _GET else (413, 415))),
            answer=None if media or success == 204 else PrometheusAnswer,
            media=media,
            parameters=parameters or {},
            required=_REQUIRED.get(path, ()),
            schemas=_SCHEMAS.get(path, {}),
            success=success,
            answers={204: None} if nothing else {},
            documented=documented,
            action=action,
        )

    return (
        row(_BOTH, "/query", queries.query, {**_QUERY, "time": "Unix seconds or RFC 3339"}, _RUN),
        row(
            _BOTH, "/query_range", queries.query_range, {**_QUERY, **_TIMES, "step": "width"}, _RUN
        ),
        row(
            _BOTH,
            "/query_exemplars",
            exemplars.query_exemplars,
            {"query": "PromQL", **_TIMES},
            nothing=True,
        ),
        row(_BOTH, "/format_query", queries.format_query, {"query": "PromQL"}),
        row(_BOTH, "/parse_query", queries.parse_query, {"query": "PromQL"}),
        row(_BOTH, "/series", metadata.series, _MATCH),
        row(_BOTH, "/labels", metadata.labels, _MATCH),
        row(_GET, "/label/{name}/values", metadata.label_values, _MATCH),
        row(_GET, "/metadata", metadata.metadata, _METADATA),
        row(
            _BOTH,
            "/search/metric_names",
            search.search_metric_names,
            {**_SEARCH, "include_metadata": "tell type, help and unit"},
            media=_NDJSON,
        ),
        row(_BOTH, "/search/label_names", search.search_label_names, _SEARCH, media=_NDJSON),
        row(
            _BOTH,
            "/search/label_values",
            search.search_label_values,
            {"label": "name of the label", **_SEARCH},
            media=_NDJSON,
        ),
        row(_GET, "/rules", alerting.rules, _RULES, ()),
        row(_GET, "/alerts", alerting.alerts, errors=()),
        row(_GET, "/alertmanagers", alerting.alertmanagers, errors=()),
        row(_GET, "/targets", targets.targets, {"state": "`active`, `dropped`", **_POOL}, ()),
        row(_GET, "/targets/metadata", targets.target_metadata, _TARGET_METADATA, ()),
        row(
            _GET,
            "/targets/relabel_steps",
            targets.relabel_steps,
            {**_POOL, "labels": "a JSON object"},
            (404,),
        ),
        row(_GET, "/scrape_pools", targets.scrape_pools, errors=()),
        row(_GET, "/scrape_pools/config", targets.scrape_pool_config, _POOL, (404,)),
        row(_GET, "/status/config", status.config, errors=()),
        row(_GET, "/status/flags", status.flags, errors=()),
        row(_GET, "/status/runtimeinfo", status.runtimeinfo, errors=()),
        row(_GET, "/status/buildinfo", status.buildinfo, errors=()),
        row(_GET, "/status/walreplay", status.walreplay, errors=()),
        row(_GET, "/status/tsdb", status.tsdb_status, {"limit": "1 to 10 000; default 10"}),
        row(_GET, "/status/tsdb/blocks", status.tsdb_blocks),
        row(_GET, "/status/self_metrics", about.self_metrics, _PATTERN, ()),
        row(_GET, "/features", about.features, errors=()),
        row(_GET, "/notifications", about.notifications, errors=()),
        row(
            _GET,
            "/notifications/live",
            about.live_notifications,
            errors=(),
            media=("text/event-stream",),
        ),
        row(
            _GET,
            "/openapi.yaml",
            about.openapi_yaml,
            {"openapi_version": "`3.1` or `3.2`"},
            (),
            media=("application/yaml",),
        ),
        row(("POST",), "/read", remote_read.read, media=("application/x-protobuf",)),
        row(
            _WRITES,
            "/admin/tsdb/snapshot",
            admin.snapshot,
            {"skip_head": "leave out what is in memory only"},
            role=Role.ADMIN,
            action=admin.SNAPSHOT,
        ),
        row(
            _WRITES,
            "/admin/tsdb/delete_series",
            admin.delete_series,
            {"match[]": "a series selector", **_TIMES},
            role=Role.ADMIN,
            action=admin.DELETE,
            success=204,
        ),
        row(
            _WRITES,
            "/admin/tsdb/clean_tombstones",
            admin.clean_tombstones,
            errors=(),
            role=Role.ADMIN,
            action=admin.CLEAN,
            success=204,
        ),
    )


def _beside(base: str) -> tuple[DataRoute, ...]:
    return (
        DataRoute(_GET, f"{base}/-/healthy", status.healthy, None, "health", documented=False),
        DataRoute(_GET, f"{base}/-/ready", status.ready, None, "health", documented=False),
        DataRoute(
            _GET,
            f"{base}/federate",
            federation.federate,
            Role.READ_ONLY,
            "prometheus",
            (503,),
            media=("text/plain",),
            parameters={"match[]": _MATCH["match[]"]},
            documented=base != "",
        ),
    )


ROUTES = (
    *_endpoints("/prometheus/api/v1", documented=True),
    *_endpoints("/api/v1", documented=False),
    *_beside("/prometheus"),
    *_beside(""),
)
