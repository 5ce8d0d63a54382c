"""Status of the server: build, settings, state, and statistics of the store."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from novaql import __version__
from novaql.server.errors import InvalidRequest
from novaql.server.http.request import context_of, principal_of, runs_the_server
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.parameters import Parameters, in_worker, in_worker_reserving
from novaql.server.prometheus.targets import config_yaml
from novaql.server.query.answer_memory import Reserve
from novaql.server.settings import TENANT_LIMITS, Settings
from novaql.server.tenants.store import Store, numeric_stats
from novaql.tsdb import MAX_TIME_MS, MIN_TIME_MS, blocks_on_disk, cardinality

COMPATIBLE_WITH = "3.0.0"
"""The version of Prometheus that the API is compatible with; clients choose features by it."""
MOST_STATISTICS = 10_000
BLOCK_VERSION = 1
"""The format version in Prometheus's description of a block."""
_NO_TIME = (2**63 - 1, -(2**63))
"""First and last time of an empty store, as Prometheus reports them."""


async def buildinfo(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """Versions of the server. `version` is the compatible version of Prometheus."""
    build = {
        "version": COMPATIBLE_WITH,
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "novaqlVersion": __version__,
        "pythonVersion": platform.python_version(),
    }
    return success(orjson.dumps(build))


async def runtimeinfo(request: Request) -> Response:
    """State of the running server. Fields that exist only for programs in Go are empty or 0.

    Only administrators of the first tenant can read working directory, host name and number of
    processors.
    """
    started = datetime.fromtimestamp(context_of(request).lifecycle.started_at, UTC)
    info = {
        "startTime": started.isoformat().replace("+00:00", "Z"),
        "CWD": str(Path.cwd()),
        "hostname": socket.gethostname(),
        "serverTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "reloadConfigSuccess": True,
        "lastConfigTime": started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "corruptionCount": 0,
        "goroutineCount": 0,
        "GOMAXPROCS": os.cpu_count() or 1,
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": "",
    }
    if not runs_the_server(request):
        for name in ("CWD", "hostname", "GOMAXPROCS"):
            info[name] = type(info[name])()
    return success(orjson.dumps(info))


async def config(request: Request) -> Response:
    """The current configuration: the scrape jobs."""
    report = context_of(request).scrapes(principal_of(request).tenant_id)
    return success(orjson.dumps({"yaml": config_yaml(report)}))


async def flags(request: Request) -> Response:
    """Settings, with Prometheus's name where it has the same setting.

    Secrets are redacted. Administrators of the first tenant can read all settings, others only the
    limits of their tenant.
    """
    settings = context_of(request).settings
    if not runs_the_server(request):
        return success(orjson.dumps(_bounds(settings), option=orjson.OPT_SORT_KEYS))
    shown = _bounds(settings) | {
        "query.max-concurrency": str(settings.query_threads),
        "storage.tsdb.path": str(settings.data),
        "web.listen-address": f"{settings.host}:{settings.port}",
    }
    for field in fields(settings):
        value = settings.redacted(field.name)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        shown[f"novaql.{field.name.replace('_', '-')}"] = text
    return success(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS))


def _bounds(settings: Settings) -> dict[str, str]:
    """The settings that limit a tenant."""
    own = {
        f"novaql.{name.replace('_', '-')}": str(getattr(settings, name)) for name in TENANT_LIMITS
    }
    return own | {
        "query.lookback-delta": "5m",
        "query.max-samples": str(settings.max_query_samples),
        "query.timeout": f"{settings.query_timeout_s:g}s",
        "storage.remote.read-sample-limit": str(settings.max_read_samples),
        "web.enable-admin-api": "true",
        "web.enable-otlp-receiver": "true",
        "web.enable-remote-write-receiver": "true",
    }


async def walreplay(request: Request) -> Response:
    """Progress of the WAL replay. The server answers requests only after it has finished."""
    segment = int(numeric_stats(context_of(request).store).get("log_segment", 0))
    return success(orjson.dumps({"min": segment, "max": segment, "current": segment}))


@in_worker_reserving("the statistics of series")
def tsdb_status(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """Statistics of all series of the store: in memory and in blocks.

    `chunkCount` counts the series of the head and of each block.
    """
    refusal = "limit must be a positive number"
    limit = parameters.whole("limit", 10, refusal)
    if limit < 1:
        raise InvalidRequest(refusal)
    if limit > MOST_STATISTICS:
        raise InvalidRequest(f"limit must not exceed {MOST_STATISTICS}")
    table = store.series([], MIN_TIME_MS, MAX_TIME_MS)
    stats = numeric_stats(store)
    found = cardinality(table, limit, reserve)
    blocks = () if store.path is None else blocks_on_disk(store.path)
    chunks = int(stats.get("head_series", 0)) + sum(entry.series for entry in blocks)
    data = {
        "headStats": {
            "numSeries": len(table),
            "numLabelPairs": found.label_pairs,
            "chunkCount": chunks,
            "minTime": int(stats.get("first_ms", _NO_TIME[0])),
            "maxTime": int(stats.get("last_ms", _NO_TIME[1])),
        },
        "seriesCountByMetricName": found.series_by_metric,
        "labelValueCountByLabelName": found.values_by_label,
        "memoryInBytesByLabelName": found.memory_by_label,
        "seriesCountByLabelValuePair": found.series_by_pair,
    }
    return success(orjson.dumps(data))


@in_worker
def tsdb_blocks(store: Store, _: Parameters) -> Response:
    """Blocks on disk. `ulid` is the id of the block, 32 hexadecimal digits."""
    blocks = [
        {
            "ulid": entry.identity,
            "minTime": entry.first_ms,
            "maxTime": entry.last_ms,
            "stats": {
                "numSamples": entry.samples,
                "numSeries": entry.series,
                "numChunks": entry.series,
            },
            "compaction": {"level": 1, "sources": [entry.identity]},
            "version": BLOCK_VERSION,
        }
        for entry in (() if store.path is None else blocks_on_disk(store.path))
    ]
    return success(orjson.dumps({"blocks": blocks}))


async def healthy(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """The process runs."""
    return PlainTextResponse("NovaQL is Healthy.\n")


async def ready(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """The store is open, and the server answers queries."""
    return PlainTextResponse("NovaQL is Ready.\n")
