"""The outermost layer: the id of each request, the format of errors, the access log.

It is pure ASGI, so that an endpoint that waits for a disconnect receives it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novaql.server.bases import INFLUX_PREFIXES, is_client
from novaql.server.errors import INTERNAL, kind_of
from novaql.server.http.problem import own_error, problem_response
from novaql.server.http.site import Site
from novaql.server.http.url_credentials import move_url_credentials
from novaql.server.ids import new_id
from novaql.server.telemetry import Observation, Telemetry
from novaql.server.versions import CURRENT

log = logging.getLogger("novaql.server")
access = logging.getLogger("novaql.server.access")

_REPLACED = frozenset({b"x-request-id", b"api-version", b"vary"})
_VARY = b"Accept-Encoding"
# Clients can send any method or path, so the labels of metrics are restricted.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Machines request these every few seconds: their lines would hide all others.
_UNLOGGED = (
    frozenset({"/metrics", "/healthz", "/readyz"})
    | {
        f"{base}/{path}"
        for base in ("", "/prometheus")
        for path in ("federate", "-/healthy", "-/ready")
    }
    | {f"{base}/{probe}" for base in INFLUX_PREFIXES for probe in ("health", "ping")}
)
_SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class Edge:
    """Wraps the whole application. It answers HEAD like GET, without the body.

    site  checks requests that pages of other sites send from a browser
    """

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry, site: Site) -> None:
        self._app = app
        self._telemetry = telemetry
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = new_id("req")
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        move_url_credentials(scope)
        state["headers"] = dict(reversed(scope["headers"]))
        status = 0
        only_head = scope["method"] == "HEAD"
        inner = {**scope, "method": "GET"} if only_head else scope
        state["only_head"] = only_head

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message.get("headers", ()), scope)
            elif only_head:  # the answer is complete; its producer stops
                return
            await send(message)
            if only_head:
                await send({"type": "http.response.body", "body": b""})

        try:
            self._site.check(scope)
            await self._app(inner, receive, answer)
        except ClientDisconnect:
            status = status or 499
        except Exception as found:
            error = own_error(found, scope)
            if kind_of(error) is INTERNAL:
                log.exception("request failed", extra={"request_id": request_id})
            if status:  # too late for another answer: the connection is closed
                raise
            problem = problem_response(error, scope["path"], request_id)
            del error  # it refers to this frame: a cycle would hold the frames that it went through
            await problem(scope, receive, answer)
        finally:
            self._record(inner, scope["method"], status or 499, began, request_id)

    def _record(
        self, scope: Scope, raw_method: str, status: int, began: float, request_id: str
    ) -> None:
        seconds = time.perf_counter() - began
        route = scope.get("route")
        # The route's template, never the path: some paths and queries contain a secret.
        path = getattr(route, "path", None) or "unmatched"
        method = raw_method if raw_method in _METHODS else "other"
        refused = scope["state"].get("refused", "")
        self._telemetry.count(Observation(path, method, status, seconds, refused))
        if access.isEnabledFor(logging.INFO) and scope["path"] not in _UNLOGGED:
            access.info(
                "request",
                extra={
                    "request_id": request_id,
                    "method": raw_method,
                    "path": path,
                    "status": status,
                    "duration_ms": round(seconds * 1000, 2),
                },
            )


def _completed(headers: Sequence[tuple[bytes, bytes]], scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with the default headers that it lacks."""
    state = scope["state"]
    own = [pair for pair in headers if pair[0] not in _REPLACED]
    named = dict(headers)
    vary = named.get(b"vary")
    own.append((b"vary", _VARY if vary is None else vary + b", " + _VARY))
    own.append((b"x-request-id", state["request_id"].encode()))
    if scope["path"].startswith("/v1") and not is_client(scope["path"]):
        own.append((b"api-version", state.get("api_version", CURRENT).encode()))
    own += [pair for pair in _SAFE_HEADERS if pair[0] not in named]
    quotas: Mapping[str, str] | None = state.get("rate_headers")
    if quotas:
        given = [(name.lower().encode(), value.encode()) for name, value in quotas.items()]
        own += [pair for pair in given if pair[0] not in named]
    return own
