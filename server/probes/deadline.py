"""The end of a probe: its timeout, or its cancellation."""

from __future__ import annotations

import time
from threading import Event

SLICE_S = 0.25
"""The longest wait between checks of the cancellation."""


class ProbeFailure(Exception):
    """The probe fails. `reason` is stable, for programs; the message is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class ProbeCancelled(Exception):
    """The check was deleted, or the runner stops."""


class RunnerUnavailable(Exception):
    """The runner cannot execute the probe, for reasons other than the target."""


class Deadline:
    """The time that a probe has left.

    seconds    from now on
    cancelled  set to end the probe now
    """

    def __init__(self, seconds: float, cancelled: Event) -> None:
        self._end = time.monotonic() + seconds
        self.cancelled = cancelled

    def left(self) -> float:
        """Return the seconds that are left. Raises `ProbeFailure` `timeout` or `ProbeCancelled`."""
        if self.cancelled.is_set():
            raise ProbeCancelled
        left = self._end - time.monotonic()
        if left <= 0:
            raise ProbeFailure("timeout", "no complete answer within the timeout")
        return left

    def slice(self) -> float:
        """Return the length of the next wait, like `left`."""
        return min(self.left(), SLICE_S)
