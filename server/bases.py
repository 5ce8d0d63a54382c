"""Base paths whose errors and answers have a format of their own: Prometheus and SCIM."""

from __future__ import annotations

SCIM_BASES = ("/scim/v2", "/v1/scim/v2")
PROBE_BASE = "/v1/probes/"
PROMETHEUS_BASES = ("/prometheus/", "/api/v1/")


def is_prometheus(path: str) -> bool:
    """Whether the endpoints at a path use Prometheus's formats."""
    return path.startswith(PROMETHEUS_BASES)


def is_scim(path: str) -> bool:
    """Whether the endpoints at a path use SCIM's formats."""
    return path.startswith(SCIM_BASES)
