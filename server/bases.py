"""Base paths whose errors, answers or credentials have a different format: those of Prometheus,
SCIM, InfluxDB, OTLP and the push gateway."""

from __future__ import annotations

SCIM_BASES = ("/scim/v2", "/v1/scim/v2")
PROBE_BASE = "/v1/probes/"
PROMETHEUS_BASES = ("/prometheus/", "/api/v1/")
PUSH_BASES = ("/metrics/job/", "/metrics/job@base64/")
OTLP_PATHS = ("/v1/metrics", "/prometheus/v1/metrics")
"""The paths to which an OTLP exporter sends metrics if its endpoint is the server, or the
Prometheus base."""
INFLUX_PREFIXES = ("", "/influx")
_INFLUX_PATHS = frozenset(
    f"{prefix}{path}"
    for prefix in INFLUX_PREFIXES
    for path in ("/write", "/api/v2/write", "/query", "/ping", "/health")
)


def is_prometheus(path: str) -> bool:
    """Whether the endpoints at a path use Prometheus's formats."""
    return path.startswith(PROMETHEUS_BASES)


def is_scim(path: str) -> bool:
    """Whether the endpoints at a path use SCIM's formats."""
    return path.startswith(SCIM_BASES)


def is_influx(path: str) -> bool:
    """Whether a path is an endpoint of InfluxDB's API."""
    return path in _INFLUX_PATHS


def is_client(path: str) -> bool:
    """Whether the endpoints at a path are for programs of other systems: Prometheus, InfluxDB, OTLP
    or a push gateway.

    They accept a token as the password of basic authentication, have the quota of the Prometheus
    base, and no API version.
    """
    return (
        is_prometheus(path) or is_influx(path) or path in OTLP_PATHS or path.startswith(PUSH_BASES)
    )


def error_format(path: str) -> str:
    """Return whose format errors at a path have: `Prometheus`, `Influx`, `Scim`; "": the server's
    own envelope."""
    if is_prometheus(path):
        return "Prometheus"
    if is_influx(path):
        return "Influx"
    return "Scim" if is_scim(path) else ""
