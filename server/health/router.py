"""/healthz, /readyz, /metrics and /v1/openapi.json."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from novaql.server.http.data_route import DataRoute
from novaql.server.http.request import context_of
from novaql.server.telemetry import CONTENT_TYPE


class Health(BaseModel):
    """The state of the server."""

    status: Literal["ok"]


async def healthz(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """The process runs."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """The database and all open stores answer."""
    context = context_of(request)
    await asyncio.to_thread(context.stores.stats)
    await asyncio.to_thread(context.database.check)
    return JSONResponse({"status": "ok"})


async def metrics(request: Request) -> Response:
    """The server's own metrics in Prometheus's text format."""
    text = await asyncio.to_thread(context_of(request).telemetry.exposition)
    return Response(text, media_type=CONTENT_TYPE)


async def openapi(request: Request) -> Response:
    """This OpenAPI document."""
    control = await request.app.state.control.built()
    return JSONResponse(await asyncio.to_thread(control.document))


ROUTES = (
    DataRoute(("GET",), "/healthz", healthz, None, "health", answer=Health, local=True),
    DataRoute(("GET",), "/readyz", readyz, None, "health", (503,), answer=Health),
    DataRoute(("GET",), "/metrics", metrics, None, "health", media=("text/plain",)),
    DataRoute(
        ("GET",),
        "/v1/openapi.json",
        openapi,
        None,
        "health",
        media=("application/json",),
        local=True,
    ),
)
