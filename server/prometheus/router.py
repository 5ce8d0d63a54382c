"""The endpoints of Prometheus's API, below both base paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from novaql.fast_dataclass import dataclass
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


@dataclass(frozen=True, slots=True)
class _Parameter:
    """schema: more of its JSON Schema than that it is a text"""

    description: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    required: bool = False


def _needed(description: str) -> _Parameter:
    return _Parameter(description, required=True)


def _one_of(description: str, *values: str) -> _Parameter:
    return _Parameter(description, {"enum": ["", *values]})


_BOTH = ("GET", "POST")
_GET = ("GET",)
_WRITES = ("POST", "PUT")
_NDJSON, _EVENTS = ("application/x-ndjson",), ("text/event-stream",)
_RUN = (422, 503)
_TEXT = {"query": _needed("PromQL")}
_START, _END = "earliest time, Unix seconds or RFC 3339", "latest time"
_TIMES = {"start": _Parameter(_START), "end": _Parameter(_END)}
_SELECTOR = "a series selector; may be repeated"
_RANGE = {**_TIMES, "limit": _Parameter("return only the first N; 0: all", COUNT)}
_MATCH = {"match[]": _Parameter(_SELECTOR), **_RANGE}
_QUERY = {
    **_TEXT,
    "timeout": _Parameter("a duration like `30s`"),
    "limit": _Parameter("return only the first N series; 0: all", COUNT),
    "lookback_delta": _Parameter("how long a sample stays visible"),
    "rollup": _Parameter(
        "a duration: rollups of this resolution may answer, windows move to multiples of it"
    ),
    "stats": _Parameter("`true` or `all`: add statistics"),
    "nocache": _Parameter("`1`: do not use the result cache"),
}
_TIME = {"time": _Parameter("Unix seconds or RFC 3339")}
_STEPS = {"start": _needed(_START), "end": _needed(_END), "step": _needed("width")}
_METADATA = {
    "metric": _Parameter("only this one"),
    "limit": _Parameter("most metrics", WHOLE),
    "limit_per_metric": _Parameter("most for each metric", WHOLE),
}
_SEARCH = {
    "match[]": _Parameter("search in series of these selectors"),
    "search[]": _Parameter("a term; may be repeated, any of them matches"),
    "fuzz_threshold": _Parameter(
        "0 to 100: least score of a fuzzy match",
        {"pattern": r"^(\+?0*([0-9]|[1-9][0-9]|100)|-0+)?$"},
    ),
    "fuzz_alg": _one_of("`subsequence` (default) or `jarowinkler`", *ALGORITHMS),
    "case_sensitive": _Parameter("default true", TRUTH),
    "sort_by": _one_of("`alpha` or `score`", "alpha", "score"),
    "sort_dir": _one_of("`asc` or `dsc`", "asc", "dsc"),
    "include_score": _Parameter("add the score of each", TRUTH),
    **_TIMES,
    "limit": _Parameter("default 100", COUNT),
    "batch_size": _Parameter("results in one line; default 100", COUNT),
}
_RULES = {
    "type": _Parameter(
        "`alert` or `record`", {"pattern": "^([Aa][Ll][Ee][Rr][Tt]|[Rr][Ee][Cc][Oo][Rr][Dd])?$"}
    ),
    "rule_name[]": _Parameter("only rules of this name"),
    "rule_group[]": _Parameter("only groups of this name"),
    "file[]": _Parameter("only groups of this file"),
    "exclude_alerts": _Parameter("leave active alerts out", TRUTH),
    "match[]": _Parameter("only rules with these labels"),
    "group_limit": _Parameter("groups in one page", {"pattern": r"^(\+?0*[1-9][0-9]*)?$"}),
    "group_next_token": _Parameter("the next page"),
}
_TARGET_METADATA = {
    "match_target": _Parameter("targets with these labels"),
    "metric": _Parameter("only this one"),
    "limit": _Parameter("most targets", WHOLE),
}
_POOL = {"scrapePool": _Parameter("a scrape job")}
_TARGETS = {"state": _Parameter("`active`, `dropped`"), **_POOL}
_STEPS_OF = {"scrapePool": _needed("a scrape job"), "labels": _needed("a JSON object")}
_STATISTICS = {
    "limit": _Parameter(
        "1 to 10 000; default 10", {"pattern": r"^(\+?0*([1-9][0-9]{0,3}|10000))?$"}
    )
}
_PATTERN = {"metric_name_pattern": _Parameter("a regex for the whole name")}
_OPENAPI = {"openapi_version": _one_of("`3.1` or `3.2`", "3.1", "3.2")}
_SNAPSHOT = {"skip_head": _Parameter("leave out what is in memory only", TRUTH)}


def _endpoints(base: str, *, documented: bool) -> tuple[DataRoute, ...]:
    def row(
        methods: tuple[str, ...],
        path: str,
        handler: Handler,
        parameters: Mapping[str, _Parameter] | None = None,
        errors: tuple[int, ...] = (503,),
        *,
        media: tuple[str, ...] = (),
        success: int = 200,
        nothing: bool = False,
        action: str | None = None,
    ) -> DataRoute:
        given = parameters or {}
        return DataRoute(
            methods,
            f"{base}{path}",
            handler,
            Role.READ_ONLY if action is None else Role.ADMIN,
            "prometheus",
            errors=(*errors, *(() if methods == _GET else (413, 415))),
            answer=None if media or success == 204 else PrometheusAnswer,
            media=media,
            parameters={name: one.description for name, one in given.items()},
            required=tuple(name for name, one in given.items() if one.required),
            schemas={name: one.schema for name, one in given.items() if one.schema},
            success=success,
            answers={204: None} if nothing else {},
            documented=documented,
            action=action,
        )

    return (
        row(_BOTH, "/query", queries.query, {**_QUERY, **_TIME}, _RUN),
        row(_BOTH, "/query_range", queries.query_range, {**_QUERY, **_STEPS}, _RUN),
        row(
            _BOTH, "/query_exemplars", exemplars.query_exemplars, {**_TEXT, **_TIMES}, nothing=True
        ),
        row(_BOTH, "/format_query", queries.format_query, _TEXT),
        row(_BOTH, "/parse_query", queries.parse_query, _TEXT),
        row(_BOTH, "/series", metadata.series, {"match[]": _needed(_SELECTOR), **_RANGE}),
        row(_BOTH, "/labels", metadata.labels, _MATCH),
        row(_GET, "/label/{name}/values", metadata.label_values, _MATCH),
        row(_GET, "/metadata", metadata.metadata, _METADATA),
        row(
            _BOTH,
            "/search/metric_names",
            search.search_metric_names,
            {**_SEARCH, "include_metadata": _Parameter("add type, help and unit", TRUTH)},
            media=_NDJSON,
        ),
        row(_BOTH, "/search/label_names", search.search_label_names, _SEARCH, media=_NDJSON),
        row(
            _BOTH,
            "/search/label_values",
            search.search_label_values,
            {"label": _needed("name of the label"), **_SEARCH},
            media=_NDJSON,
        ),
        row(_GET, "/rules", alerting.rules, _RULES, _RUN),
        row(_GET, "/alerts", alerting.alerts, errors=_RUN),
        row(_GET, "/alertmanagers", alerting.alertmanagers, errors=()),
        row(_GET, "/targets", targets.targets, _TARGETS, ()),
        row(_GET, "/targets/metadata", targets.target_metadata, _TARGET_METADATA),
        row(_GET, "/targets/relabel_steps", targets.relabel_steps, _STEPS_OF, (404,)),
        row(_GET, "/scrape_pools", targets.scrape_pools, errors=()),
        row(_GET, "/scrape_pools/config", targets.scrape_pool_config, _POOL, (404,)),
        row(_GET, "/status/config", status.config, errors=()),
        row(_GET, "/status/flags", status.flags, errors=()),
        row(_GET, "/status/runtimeinfo", status.runtimeinfo, errors=()),
        row(_GET, "/status/buildinfo", status.buildinfo, errors=()),
        row(_GET, "/status/walreplay", status.walreplay, errors=()),
        row(_GET, "/status/tsdb", status.tsdb_status, _STATISTICS),
        row(_GET, "/status/tsdb/blocks", status.tsdb_blocks),
        row(_GET, "/status/self_metrics", about.self_metrics, _PATTERN, ()),
        row(_GET, "/features", about.features, errors=()),
        row(_GET, "/notifications", about.notifications, errors=()),
        row(_GET, "/notifications/live", about.live_notifications, errors=(), media=_EVENTS),
        row(_GET, "/openapi.yaml", about.openapi_yaml, _OPENAPI, (), media=("application/yaml",)),
        row(("POST",), "/read", remote_read.read, media=("application/x-protobuf",)),
        row(_WRITES, "/admin/tsdb/snapshot", admin.snapshot, _SNAPSHOT, action=admin.SNAPSHOT),
        row(
            _WRITES,
            "/admin/tsdb/delete_series",
            admin.delete_series,
            {"match[]": _needed("a series selector"), **_TIMES},
            action=admin.DELETE,
            success=204,
        ),
        row(
            _WRITES,
            "/admin/tsdb/clean_tombstones",
            admin.clean_tombstones,
            errors=(),
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
            parameters={"match[]": _SELECTOR},
            documented=base != "",
        ),
    )


ROUTES = (
    *_endpoints("/prometheus/api/v1", documented=True),
    *_endpoints("/api/v1", documented=False),
    *_beside("/prometheus"),
    *_beside(""),
)
