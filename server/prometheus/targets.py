"""targets, targets/metadata, scrape_pools: targets of the server; each scrape job is a pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from textwrap import indent
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from novaql import Cancellation, InputError
from novaql.inputs import relabelled
from novaql.language import format_duration
from novaql.server.errors import InvalidRequest, NotFound
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.request import context_of, principal_of
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.parameters import Parameters, bad_parameter, read_parameters
from novaql.server.prometheus.selectors import selector_matchers
from novaql.server.query.answer_memory import reserving
from novaql.server.tenants.label_limits import label_limits
from novaql.server.tenants.scrapes import PoolView, ScrapeReport, TargetView

_NEVER = "0001-01-01T00:00:00Z"
_STATES = ("", "any")
_COPIES = 3
"""Of an answer's text: the records, what they are joined to, and the answer."""


async def targets(request: Request) -> Response:
    """Targets with the outcome of their last scrape, and targets that relabelling dropped."""
    parameters = await read_parameters(request)
    state, pool = parameters.text("state").lower(), parameters.text("scrapePool")
    report = _report(request)
    active, dropped = (state in (*_STATES, kind) for kind in ("active", "dropped"))
    counts = {one.name: one.dropped for one in report.pools}
    data = {
        "activeTargets": [_target(t) for t in report.targets if active and pool in ("", t.pool)],
        "droppedTargets": [
            {"discoveredLabels": dict(t.discovered), "scrapePool": t.pool}
            for t in report.dropped
            if dropped and pool in ("", t.pool)
        ],
        "droppedTargetCounts": counts if dropped else None,
    }
    return success(json_bytes(data))


async def target_metadata(request: Request) -> Response:
    """Metadata of metrics from the last scrape of each target."""
    parameters = await read_parameters(request)
    scraped, context = _report(request).targets, context_of(request)

    def run(cancellation: Cancellation) -> Response:
        with reserving(context, cancellation, "the metadata of targets") as reserve:
            records = []
            for record in _metadata_of(scraped, parameters):
                records.append(json_bytes(record))
                reserve(_COPIES * len(records[-1]))
            return success(b"[" + b",".join(records) + b"]")

    timeout_s = context.settings.query_timeout_s
    return await context.pools.queries.run(request, run, timeout_s=timeout_s)


def _metadata_of(targets: Sequence[TargetView], parameters: Parameters) -> Iterator[dict[str, Any]]:
    """Yield a record for each metric of each target, up to the limit."""
    limit = parameters.whole("limit", -1, "limit must be a number")
    metric, selector = parameters.text("metric"), parameters.text("match_target")
    try:
        matchers = selector_matchers(selector) if selector else []
    except InvalidRequest as problem:
        raise bad_parameter("match_target", problem.message) from None
    count = 0
    for target in targets:
        labels, known = dict(target.labels), target.metadata
        if 0 <= limit <= count:  # a limit ends the list after a whole target
            break
        if not all(m.matches(labels.get(m.name, "")) for m in matchers):
            continue
        if metric and metric in known:
            count += 1
            yield {"target": labels, **asdict(known[metric])}
        elif not metric:
            count += len(known)
            for name, one in sorted(known.items()):
                yield {"target": labels, "metric": name, **asdict(one)}


async def scrape_pools(request: Request) -> Response:
    """Names of the scrape jobs."""
    return success(json_bytes({"scrapePools": [p.name for p in _report(request).pools]}))


async def scrape_pool_config(request: Request) -> Response:
    """The configuration of one scrape job, as YAML."""
    pool = (await read_parameters(request)).text("scrapePool")
    return success(json_bytes({"yaml": _pool(request, pool).config}))


async def relabel_steps(request: Request) -> Response:
    """The labels of a target after each relabelling rule of its scrape job."""
    parameters = await read_parameters(request)
    pool, labels = parameters.text("scrapePool"), parameters.text("labels")
    if not pool:
        raise InvalidRequest("no scrapePool parameter provided")
    try:
        given = orjson.loads(labels)
    except orjson.JSONDecodeError as problem:
        raise bad_parameter("labels", str(problem)) from None
    if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
        raise bad_parameter("labels", "an object of texts is needed")
    limits = label_limits(context_of(request).settings)
    steps: list[dict[str, Any]] = []
    now: dict[str, str] | None = given
    for rule in _pool(request, pool).relabel:
        assert now is not None
        try:
            now = relabelled(now, [rule], limits)
        except InputError as problem:
            raise bad_parameter("labels", str(problem)) from None
        steps.append({"rule": rule, "output": now or {}, "keep": now is not None})
        if now is None:
            break
    return success(json_bytes({"steps": steps}))


def config_yaml(report: ScrapeReport) -> str:
    """The current configuration, in the format of prometheus.yml."""
    blocks = [f"- {indent(pool.config, '  ')[2:]}" for pool in report.pools]
    return "global: {}\n" + ("scrape_configs:\n" + "".join(blocks) if blocks else "")


def _target(target: TargetView) -> dict[str, Any]:
    return {
        "discoveredLabels": dict(sorted(target.discovered.items())),
        "labels": dict(target.labels),
        "scrapePool": target.pool,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": target.error,
        "lastScrape": _NEVER if target.last_ms is None else _rfc3339(target.last_ms),
        "lastScrapeDuration": target.duration_s,
        "health": target.health,
        "scrapeInterval": format_duration(round(target.interval_s * 1000)),
        "scrapeTimeout": format_duration(round(target.timeout_s * 1000)),
    }


def _rfc3339(time_ms: int) -> str:
    text = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _report(request: Request) -> ScrapeReport:
    return context_of(request).scrapes(principal_of(request).tenant_id)


def _pool(request: Request, name: str) -> PoolView:
    found = [pool for pool in _report(request).pools if pool.name == name]
    if not found:
        raise NotFound(f"scrape pool {name!r} not found")
    return found[0]
