"""The error for text that the notation of series does not allow."""

from __future__ import annotations


class NotationProblem(ValueError):
    """The text is not what the notation allows; the message states the reason."""
