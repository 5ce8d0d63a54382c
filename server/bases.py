"""Paths of the bases that have a dialect of their own."""

from __future__ import annotations

SCIM_BASES = ("/scim/v2", "/v1/scim/v2")
PROMETHEUS_BASES = ("/prometheus/", "/api/v1/")


def is_prometheus(path: str) -> bool:
    """Whether a path speaks Prometheus's dialect."""
    return path.startswith(PROMETHEUS_BASES)


def is_scim(path: str) -> bool:
    """Whether a path speaks SCIM."""
    return path.startswith(SCIM_BASES)
