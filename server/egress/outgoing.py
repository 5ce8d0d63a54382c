"""One outgoing request: its answer, error and latency.

Webhooks, notification channels and runbooks use it. It does not retry and follows no redirect: a
redirect is an answer like any other. Failures are in `error`; none is raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import httpx

from novaql.fast_dataclass import dataclass
from novaql.server.egress.dialer import Dialer
from novaql.server.egress.errors import TargetNotAllowed, Unreachable

EXCERPT = 1024


@dataclass(frozen=True, slots=True)
class HttpAttempt:
    """The outcome of one attempt.

    status       HTTP status; None: no answer, `error` has the reason
    error        `target_not_allowed`, `dns`, `connect`, `tls`, `timeout`, `protocol`,
                 `cancelled`, or None
    retry_after  the receiver's header
    excerpt      the beginning of the answer's body, at most 1 KiB unless it is requested, as text
    latency_ms   from the first byte sent to the status received
    """

    status: int | None
    error: str | None
    latency_ms: float
    retry_after: str | None = None
    excerpt: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the status is 2xx."""
        return self.status is not None and 200 <= self.status < 300


def post(
    dialer: Dialer, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float
) -> HttpAttempt:
    """Send a body. The whole attempt, including connecting and reading, ends within `timeout_s`."""
    return send(dialer, "POST", url, body, headers, timeout_s=timeout_s)


def send(
    dialer: Dialer,
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    most: int = EXCERPT,
    cancelled: Callable[[], bool] | None = None,
) -> HttpAttempt:
    """Like `post`, with any method.

    most       the size of the excerpt of the answer's body
    cancelled  called during the wait for the answer; once it is true, the error is `cancelled`
    """
    started = time.perf_counter()

    def took() -> float:
        return round((time.perf_counter() - started) * 1000, 3)

    try:
        with (
            dialer.client(timeout_s=timeout_s, deadline_s=timeout_s, cancelled=cancelled) as client,
            client.stream(method, url, content=body, headers=dict(headers)) as answer,
        ):
            latency = took()
            return HttpAttempt(
                answer.status_code,
                None,
                latency,
                answer.headers.get("retry-after"),
                _excerpt(answer, most),
            )
    except TargetNotAllowed:
        return HttpAttempt(None, "target_not_allowed", took())
    except Unreachable as problem:
        return HttpAttempt(None, problem.reason, took())
    except httpx.TimeoutException:
        return HttpAttempt(None, "timeout", took())
    except httpx.ConnectError as problem:
        tls = "ssl" in str(problem).lower() or "certificate" in str(problem).lower()
        return HttpAttempt(None, "tls" if tls else "connect", took())
    except (httpx.HTTPError, httpx.InvalidURL):
        return HttpAttempt(None, "protocol", took())


def _excerpt(answer: httpx.Response, most: int) -> str:
    """Return the beginning of a body. A body that breaks off or does not end is not an error."""
    parts: list[bytes] = []
    size = 0
    try:
        for part in answer.iter_raw(EXCERPT):
            parts.append(part)
            size += len(part)
            if size >= most:
                break
    except httpx.HTTPError:
        pass
    text = b"".join(parts)[:most].decode("utf-8", "replace")
    return text.replace("\0", "\ufffd")
