"""The report of a browser flow."""

from __future__ import annotations

from novaql.fast_dataclass import dataclass

FAILURE_REASONS = frozenset(
    {
        "blocked",  # the document is at an address, or has a scheme, that is not allowed
        "browser_crashed",  # the browser or the process of the page ended
        "cancelled",  # the caller stopped the run
        "http_error",  # the document of a goto has a status of 400 or more
        "limit_exceeded",  # the run transferred too many bytes, or the browser took too much memory
        "navigation_failed",  # no document: name unknown, connection refused, a download
        "secret_missing",  # a step requires a secret that the run does not have
        "selector_not_found",  # no visible element, until the time was over
        "text_not_found",
        "timeout",  # the time was over in a step that waits for the browser or the target
        "tls",  # the certificate or the handshake
        "unavailable",  # this machine cannot run a browser
        "url_mismatch",
    }
)


@dataclass(frozen=True, slots=True)
class StepResult:
    """The outcome of one step: its action, success, duration, and a sentence without secrets."""

    action: str
    success: bool
    duration_s: float
    detail: str


@dataclass(frozen=True, slots=True)
class FlowResult:
    """The outcome of a flow.

    failure_reason  one of `FAILURE_REASONS`, None for a success
    detail          a sentence that names the failed step; it contains no secret
    duration_s      the sum of the steps; the start of the browser is not part of it
    screenshots     names and PNG images, in order; `failure` shows the page of a failed step
    blocked         whether the egress rules refused any request of the browser, also one of an
                    image or a WebSocket of a flow that succeeds. If they refused the document,
                    `failure_reason` is `blocked`, too
    denied          the first hosts and ports that were refused
    """

    success: bool
    failure_reason: str | None
    detail: str
    duration_s: float
    steps: tuple[StepResult, ...] = ()
    screenshots: tuple[tuple[str, bytes], ...] = ()
    blocked: bool = False
    denied: tuple[str, ...] = ()


class FlowFailed(Exception):
    """A flow cannot continue. `reason` is one of `FAILURE_REASONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in FAILURE_REASONS
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
