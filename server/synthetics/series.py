"""The `probe_*` series of results, with the names of blackbox_exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from novaql.server.clock import to_ms
from novaql.server.probes.result import PHASES
from novaql.server.synthetics.model import Status
from novaql.server.synthetics.rules import FAILING
from novaql.server.synthetics.tables import Synthetic, SyntheticResult
from novaql.tsdb import Batch, SeriesTable

Sample = tuple[dict[str, str], float]
JOB = "synthetics"


def batch(results: Iterable[tuple[SyntheticResult, Synthetic]]) -> Batch:
    """Return the samples of completed results, at the times at which the server recorded them."""
    labels: list[dict[str, str]] = []
    index: dict[tuple[tuple[str, str], ...], int] = {}
    places, times, values = [], [], []
    for result, check in results:
        assert result.completed_at is not None
        at = to_ms(result.completed_at)
        for series, value in samples(result, check):
            key = tuple(sorted(series.items()))
            if key not in index:
                index[key] = len(labels)
                labels.append(series)
            places.append(index[key])
            times.append(at)
            values.append(value)
    return Batch(
        SeriesTable.from_dicts(labels),
        np.array(places, np.int64),
        np.array(times, np.int64),
        np.array(values, np.float64),
    )


def samples(result: SyntheticResult, check: Synthetic) -> Iterator[Sample]:
    """Yield the labels and values of one result."""
    base = {"job": JOB, "check": check.name, "check_id": check.id, "region": result.region}
    if check.service is not None:
        base["service"] = check.service
    facts: Mapping[str, Any] = result.outcome

    def one(name: str, value: float, **more: str) -> Sample:
        return {"__name__": name, **base, **more}, float(value)

    yield one("probe_success", result.status == Status.SUCCESS)
    yield one("probe_duration_seconds", (result.duration_ms or 0.0) / 1000)
    yield one(FAILING, result.failing)
    if len(result.counters) == 2:
        yield one("probe_all_success_sum", result.counters[0])
        yield one("probe_all_success_count", result.counters[1])
    phases = facts.get("phases") or {}
    if "resolve" in phases:
        yield one("probe_dns_lookup_time_seconds", phases["resolve"])
    if facts.get("address"):
        yield one("probe_ip_protocol", 6 if ":" in facts["address"] else 4)
    if facts.get("certificate_expires_s") is not None:
        yield one("probe_ssl_earliest_cert_expiry", facts["certificate_expires_s"])
    if facts.get("tls_version"):
        yield one("probe_tls_version_info", 1, version=_tls(facts["tls_version"]))
    if check.type == "http":
        for phase in PHASES:
            yield one("probe_http_duration_seconds", phases.get(phase, 0.0), phase=phase)
        yield one("probe_http_status_code", facts.get("http_status") or 0)
        yield one("probe_http_redirects", facts.get("redirects") or 0)
        yield one("probe_http_content_length", facts.get("body_bytes") or 0)
        yield one("probe_failed_due_to_regex", _regex_failed(result, check))
    elif check.type == "tcp":
        yield one("probe_failed_due_to_regex", result.failure_reason == "expect")


def _regex_failed(result: SyntheticResult, check: Synthetic) -> bool:
    return result.failure_reason == "assertion_body" and any(
        a["source"] == "body" and a["op"] in ("matches", "not_matches")
        for a in check.plan.get("assertions", ())
    )


def _tls(version: str) -> str:
    """Return a version as blackbox_exporter writes it: `TLS 1.3`."""
    return version.replace("TLSv", "TLS ")
