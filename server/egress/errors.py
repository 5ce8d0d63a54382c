"""Errors of outgoing requests."""

from __future__ import annotations

from novaql.server.errors import Impossible


class TargetNotAllowed(Impossible):
    """The target is in a network that is not public, or the dialer cannot prove that it is
    public."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is not a public address", code="target_not_allowed")


class Unreachable(Exception):
    """There is no answer: the name is unknown, or the host does not answer in time. `reason`
    distinguishes them."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
