"""HTTP checks: one request, its redirects, and assertions on the last answer.

The redirects are followed here and not by a client, because each is a new target for the egress
rules, and headers with secrets must not reach another origin.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import field

import httpcore
import httpx

from novaql.fast_dataclass import dataclass
from novaql.server.egress.dialer import Dialer
from novaql.server.probes.assertions import Answer, evaluate
from novaql.server.probes.connection import Connection, Measured, connect
from novaql.server.probes.deadline import Deadline, ProbeFailure
from novaql.server.probes.masking import filled, names_in
from novaql.server.probes.result import Outcome
from novaql.server.probes.spec import ProbeSpec

AGENT = "NovaQL-synthetics"
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_BODY_HEADERS = frozenset({"content-length", "content-type", "transfer-encoding"})
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_MOST_HEAD = 256 << 10
"""Bytes of heads: informational answers can come before the head of the answer."""
_FRAMING = 4
"""Received bytes for each byte of the body: each chunk has a head."""


@dataclass
class _Seen:
    """The facts about a run, also if it fails."""

    measured: Measured = field(default_factory=Measured)
    status: int | None = None
    version: str | None = None
    redirects: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Request:
    method: str
    url: httpx.URL
    headers: dict[str, str]
    body: bytes


def check_http(
    spec: ProbeSpec, dialer: Dialer, deadline: Deadline, tls: ssl.SSLContext, seen: _Seen
) -> Outcome:
    """Run one attempt of an HTTP check.

    Raises `ProbeFailure`, `ProbeCancelled`, `Unreachable` and `TargetNotAllowed`; `seen` then has
    what was measured.
    """
    began = time.perf_counter()
    request = _first(spec)
    visited = set()
    while True:
        dialer.check_syntax(str(request.url))
        key = (request.method, str(request.url.copy_with(fragment=None)))
        if key in visited:
            raise ProbeFailure("redirect_loop", "the redirects lead back to an earlier URL")
        visited.add(key)
        _exchange(spec, request, dialer, deadline, tls, seen)
        location = seen.headers.get("location")
        if not spec.request.follow_redirects or seen.status not in _REDIRECTS or location is None:
            break
        if seen.redirects >= spec.max_redirects:
            raise ProbeFailure("too_many_redirects", f"more than {spec.max_redirects} redirects")
        seen.redirects += 1
        request = _redirected(spec, request, seen.status, location)
    latency = time.perf_counter() - began
    expires = seen.measured.certificate_expires_s
    answer = Answer(
        status=seen.status,
        headers=seen.headers,
        body=seen.body,
        latency_s=latency,
        certificate_left_s=None if expires is None else expires - time.time(),
        addresses=seen.measured.addresses,
    )
    results = evaluate(spec.assertions, answer, spec.secrets.values())
    bad = next((one for one in results if not one.ok), None)
    return outcome_of(seen).model_copy(
        update={
            "status": "success" if bad is None else "failure",
            "failure_reason": None if bad is None else f"assertion_{bad.source}",
            "detail": "" if bad is None else bad.detail,
            "assertions": results,
        }
    )


def new_seen() -> _Seen:
    """Return an empty record of a run."""
    return _Seen()


def outcome_of(seen: _Seen) -> Outcome:
    """Return the facts of a run that fails for a reason that the caller adds."""
    measured = seen.measured
    return Outcome(
        status="failure",
        address=measured.address,
        phases={str(name): took for name, took in measured.phases.items()},
        http_status=seen.status,
        http_version=seen.version,
        redirects=seen.redirects,
        body_bytes=len(seen.body),
        tls_version=measured.tls_version,
        certificate_expires_s=measured.certificate_expires_s,
    )


def _first(spec: ProbeSpec) -> _Request:
    usual = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    given = {n.title(): filled(v, spec.secrets) for n, v in spec.request.headers.items()}
    body = filled(spec.request.body, spec.secrets).encode()
    if body and "Content-Type" not in given:
        usual["Content-Type"] = "application/json" if body[:1] in b"{[" else "text/plain"
    return _Request(spec.request.method, httpx.URL(spec.target), usual | given, body)


def _redirected(spec: ProbeSpec, request: _Request, status: int, location: str) -> _Request:
    try:
        url = request.url.join(location)
    except (httpx.InvalidURL, ValueError):
        raise ProbeFailure("invalid_redirect", "the redirect is not a URL") from None
    method, body, headers = request.method, request.body, dict(request.headers)
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", b""
        headers = {n: v for n, v in headers.items() if n.lower() not in _BODY_HEADERS}
    if _origin(url) != _origin(request.url):
        secret = {n.title() for n, v in spec.request.headers.items() if names_in(v)}
        headers = {
            n: v for n, v in headers.items() if n not in secret and n.lower() not in _CREDENTIALS
        }
        if names_in(spec.request.body):
            body = b""
    return _Request(method, url, headers, body)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


def _exchange(
    spec: ProbeSpec,
    request: _Request,
    dialer: Dialer,
    deadline: Deadline,
    tls: ssl.SSLContext,
    seen: _Seen,
) -> None:
    url = request.url
    seen.status, seen.body, seen.headers = None, b"", {}
    port = url.port or _PORTS[url.scheme]
    secure = tls if url.scheme == "https" else None
    most = _MOST_HEAD + _FRAMING * spec.max_body_bytes
    connection = connect(dialer, url.raw_host.decode(), port, deadline, seen.measured, secure, most)
    http = httpcore.HTTP11Connection(
        httpcore.Origin(url.raw_scheme, url.raw_host, port), connection
    )
    try:
        _answer(spec, request, http, connection, seen)
    except httpcore.RemoteProtocolError as problem:
        raise ProbeFailure("protocol", f"this is not an HTTP answer: {problem}"[:500]) from None
    except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as problem:
        raise ProbeFailure("protocol", f"the request cannot be sent: {problem}"[:500]) from None
    except (httpcore.NetworkError, OSError):
        raise ProbeFailure("connection_lost", "the connection ended before the answer") from None
    finally:
        connection.close()


def _answer(
    spec: ProbeSpec,
    request: _Request,
    http: httpcore.HTTP11Connection,
    connection: Connection,
    seen: _Seen,
) -> None:
    headers = [("Host", request.url.netloc.decode()), *request.headers.items()]
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        headers.append(("Content-Length", str(len(request.body))))
    raw = httpcore.Request(
        request.method,
        httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=[(n.encode(), v.encode("utf-8")) for n, v in headers],
        content=request.body,
    )
    with seen.measured.phase("processing"):
        before = connection.received
        try:
            response = http.handle_request(raw)
        except ProbeFailure as problem:
            if problem.reason == "timeout" and connection.received > before:
                raise ProbeFailure(
                    "slow_header", "the header did not arrive completely within the timeout"
                ) from None
            raise
    seen.status = response.status
    seen.version = bytes(response.extensions.get("http_version", b"")).decode("ascii") or None
    seen.headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }
    with seen.measured.phase("transfer"):
        parts, size = [], 0
        for part in response.iter_stream():
            size += len(part)
            parts.append(part)
            if size > spec.max_body_bytes:
                seen.body = b"".join(parts)
                raise ProbeFailure(
                    "body_too_large", f"the body is larger than {spec.max_body_bytes} bytes"
                )
    seen.body = b"".join(parts)
