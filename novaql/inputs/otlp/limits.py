"""The size of messages that the walk reads."""

from __future__ import annotations

LARGEST_MESSAGE = 1 << 16
"""Bytes of a point, a resource, a scope, or of a metric without its points. Larger ones are left to
the caller."""
