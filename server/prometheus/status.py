"""What clients ask before they trust a server: build, run time, health."""

from __future__ import annotations

import os
import platform
import socket
from datetime import UTC, datetime

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from server.platform.context import context_of
from server.prometheus.envelope import success

COMPATIBLE_WITH = "3.0.0"
"""The Prometheus whose API this is; clients choose features by it."""


async def buildinfo(request: Request) -> Response:
    """Version of the API. `version` names the compatible Prometheus."""
    build = {
        "version": COMPATIBLE_WITH,
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "novaqlVersion": request.app.version,
        "pythonVersion": platform.python_version(),
    }
    return success(orjson.dumps(build))


async def runtimeinfo(request: Request) -> Response:
    """State of the running server."""
    context = context_of(request)
    started = datetime.fromtimestamp(context.started_at, UTC)
    info = {
        "startTime": started.isoformat().replace("+00:00", "Z"),
        "CWD": "",
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
    return success(orjson.dumps(info))


async def healthy(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """The process answers."""
    return PlainTextResponse("NovaQL is Healthy.\n")


async def ready(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """The store is open and queries are answered."""
    return PlainTextResponse("NovaQL is Ready.\n")
