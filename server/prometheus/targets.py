"""targets, targets/metadata, scrape_pools: what this server scrapes, its scrape jobs as pools."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from novaql.language.durations import format_duration
from server.platform.context import context_of
from server.platform.errors import InvalidRequest, NotFound
from server.platform.scrapes import Scrape
from server.prometheus.envelope import success
from server.prometheus.parameters import bad_parameter, read_parameters
from server.prometheus.selectors import selector_matchers
from tsdb.selection import Metadata

_NEVER = "0001-01-01T00:00:00Z"
_STATES = ("", "any")


async def targets(request: Request) -> Response:
    """Targets and how their last scrape went. None is ever dropped: there is no relabelling."""
    parameters = await read_parameters(request)
    state, pool = parameters.text("state").lower(), parameters.text("scrapePool")
    scrapes = _scrapes(request)
    active = state in (*_STATES, "active")
    shown = [_target(s) for s in scrapes if active and pool in ("", s.target.job)]
    counts = dict.fromkeys(_pools(scrapes), 0) if state in (*_STATES, "dropped") else None
    data = {"activeTargets": shown, "droppedTargets": [], "droppedTargetCounts": counts}
    return success(orjson.dumps(data))


async def target_metadata(request: Request) -> Response:
    """Metadata as each target gave it with its last scrape."""
    parameters = await read_parameters(request)
    limit = parameters.whole("limit", -1, "limit must be a number")
    metric, selector = parameters.text("metric"), parameters.text("match_target")
    try:
        matchers = selector_matchers(selector) if selector else []
    except InvalidRequest as problem:
        raise bad_parameter("match_target", problem.message) from None
    found: list[dict[str, Any]] = []
    for scrape in _scrapes(request):
        labels = scrape.target.target_labels
        if 0 <= limit <= len(found):
            break
        if not all(m.matches(labels.get(m.name, "")) for m in matchers):
            continue
        known = scrape.last.metadata if scrape.last is not None else {}
        if metric and metric in known:
            found.append({"target": labels, **_metadata(known[metric])})
        elif not metric:
            found += [
                {"target": labels, "metric": n, **_metadata(m)} for n, m in sorted(known.items())
            ]
    return success(orjson.dumps(found))


async def scrape_pools(request: Request) -> Response:
    """Names of the scrape jobs."""
    return success(orjson.dumps({"scrapePools": _pools(_scrapes(request))}))


async def scrape_pool_config(request: Request) -> Response:
    """The configuration of one scrape job, as YAML."""
    pool = (await read_parameters(request)).text("scrapePool")
    return success(orjson.dumps({"yaml": pool_yaml(_pool(request, pool), indent="")}))


async def relabel_steps(request: Request) -> Response:
    """What relabelling does to a target: nothing, since scrape jobs here have no rules for it."""
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
    _pool(request, pool)
    return success(b'{"steps":[]}')


def config_yaml(scrapes: list[Scrape]) -> str:
    """The configuration that is in force, in the form of a prometheus.yml."""
    blocks = [pool_yaml([s for s in scrapes if s.target.job == job]) for job in _pools(scrapes)]
    return "global: {}\n" + ("scrape_configs:\n" + "".join(blocks) if blocks else "")


def pool_yaml(pool: list[Scrape], indent: str = "  ") -> str:
    """One scrape job; with an indent, an item of a list."""
    first = pool[0].target
    address = urlsplit(first.url)
    lines = [
        f"job_name: {_quoted(first.job)}",
        f"scrape_interval: {_duration(first.interval)}",
        f"scrape_timeout: {_duration(_timeout(pool[0]))}",
        f"metrics_path: {_quoted(address.path or '/')}",
        f"scheme: {address.scheme}",
        "static_configs:",
    ]
    for scrape in pool:
        lines += ["- targets:", f"  - {_quoted(urlsplit(scrape.target.url).netloc)}"]
        own = {k: v for k, v in scrape.target.target_labels.items() if k != "job"}
        lines += ["  labels:", *(f"    {_quoted(k)}: {_quoted(v)}" for k, v in sorted(own.items()))]
    text = "".join(f"{indent}{line}\n" for line in lines)
    return f"- {text[2:]}" if indent else text


def _target(scrape: Scrape) -> dict[str, Any]:
    target, last = scrape.target, scrape.last
    address = urlsplit(target.url)
    interval, timeout = _duration(target.interval), _duration(_timeout(scrape))
    at_ms = scrape.last_ms
    return {
        "discoveredLabels": {
            "__address__": address.netloc,
            "__metrics_path__": address.path or "/",
            "__scheme__": address.scheme,
            "__scrape_interval__": interval,
            "__scrape_timeout__": timeout,
            **target.labels,
            "job": target.job,
        },
        "labels": dict(sorted(target.target_labels.items())),
        "scrapePool": target.job,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": (last.error or "") if last is not None else "",
        "lastScrape": _NEVER if at_ms is None else rfc3339(at_ms),
        "lastScrapeDuration": last.duration if last is not None else 0,
        "health": "unknown" if last is None else "up" if last.up else "down",
        "scrapeInterval": interval,
        "scrapeTimeout": timeout,
    }


def rfc3339(time_ms: int) -> str:
    """A time with milliseconds, in UTC."""
    text = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _scrapes(request: Request) -> list[Scrape]:
    return sorted(context_of(request).scrapes(), key=lambda s: (s.target.job, s.target.url))


def _pools(scrapes: list[Scrape]) -> list[str]:
    return sorted({scrape.target.job for scrape in scrapes})


def _pool(request: Request, name: str) -> list[Scrape]:
    found = [scrape for scrape in _scrapes(request) if scrape.target.job == name]
    if not found:
        raise NotFound(f"scrape pool {name!r} not found")
    return found


def _metadata(metadata: Metadata) -> dict[str, str]:
    return {"type": metadata.type, "help": metadata.help, "unit": metadata.unit}


def _timeout(scrape: Scrape) -> float:
    return scrape.target.timeout or min(10.0, scrape.target.interval)


def _duration(seconds: float) -> str:
    return format_duration(round(seconds * 1000))


def _quoted(text: str) -> str:
    """A text in JSON's quotes, which YAML reads too."""
    return orjson.dumps(text).decode()
