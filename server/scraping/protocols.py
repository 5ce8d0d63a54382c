"""Negotiate formats: the `Accept` header for a target, and the format of its answer."""

from __future__ import annotations

from collections.abc import Sequence

from novaql.server.scraping.fetch import FetchProblem

_MEDIA = {
    "PrometheusProto": (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    ),
    "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
    "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
    "PrometheusText1.0.0": "text/plain;version=1.0.0;escaping=allow-utf-8",
    "PrometheusText0.0.4": "text/plain;version=0.0.4",
}
_KNOWN = (
    "application/vnd.google.protobuf",
    "application/openmetrics-text",
    "text/plain",
)


def accept_header(protocols: Sequence[str]) -> str:
    """The `Accept` header: media types in order of preference, each with a weight."""
    weight = min(10, len(protocols) + 1)
    parts = []
    for protocol in protocols:
        parts.append(f"{_MEDIA[protocol]};q=0.{weight}" if weight < 10 else _MEDIA[protocol])
        weight -= 1
    return ",".join([*parts, f"*/*;q=0.{max(weight, 1)}"])


def content_type_of(given: str, fallback: str) -> str:
    """The content type of an answer; that of the fallback protocol if it is missing or unknown.

    Raises `FetchProblem` if the job has no fallback protocol either.
    """
    kind = given.partition(";")[0].strip().lower()
    if kind in _KNOWN:
        return given
    if fallback:
        return _MEDIA[fallback]
    if not kind:
        raise FetchProblem(
            "the target sends no Content-Type, and its job has no fallback_scrape_protocol"
        )
    raise FetchProblem(
        f"the target sends the Content-Type {given!r}, which is no format of metrics, and its "
        "job has no fallback_scrape_protocol"
    )
