"""Reports of the workers' telemetry to the owner, whose `/metrics` covers the whole server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from novaql.lazy_exports import lazy_module
from novaql.server.jobs.loop import Loop
from novaql.server.telemetry import Observation, Telemetry

if TYPE_CHECKING:
    import httpx
else:  # only workers need it
    httpx = lazy_module("httpx")

log = logging.getLogger(__name__)
_PATH = "/-/observed"
_EVERY_S = 1.0


class Reporter:
    """Sends new observations of a worker's telemetry every second. A killed worker loses one
    report."""

    def __init__(self, telemetry: Telemetry, owner: str) -> None:
        self._telemetry = telemetry
        self._client = httpx.Client(transport=httpx.HTTPTransport(uds=owner), timeout=5)
        self._loop = Loop("reporter", self._report, every_s=_EVERY_S)
        telemetry.buffer_observations()

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.stop()
        self._report()
        self._client.close()

    def _report(self) -> None:
        observed = self._telemetry.take_observations()
        if not observed:
            return
        try:
            self._client.post(
                f"http://owner{_PATH}", content=orjson.dumps([tuple(one) for one in observed])
            )
        except httpx.HTTPError:
            log.warning("requests are not counted: the owner does not answer")


class ReportReceiver:
    """Wraps the owner's application: receives the reports of workers.

    The owner listens on a socket in its own directory, so no other program can send reports.
    """

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != _PATH:
            await self._app(scope, receive, send)
            return
        observed = orjson.loads(await Request(scope, receive).body())
        for one in observed:
            self._telemetry.count(Observation(*one))
        await Response(status_code=204)(scope, receive, send)
