"""Rows of synthetic checks and results in the form of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from novaql.server.clock import from_ms
from novaql.server.db.unit import Unit
from novaql.server.synthetics import service
from novaql.server.synthetics.schema import (
    LastResult,
    RegionOut,
    ResultOut,
    ScreenshotOut,
    SyntheticOut,
    UptimeNumbers,
)
from novaql.server.synthetics.tables import Synthetic, SyntheticRegion, SyntheticResult
from novaql.server.synthetics.uptime import of_day


def checks(unit: Unit, rows: Sequence[Synthetic]) -> dict[str, SyntheticOut]:
    """Return checks with their last results and uptime, by id."""
    ids = [row.id for row in rows]
    places = service.places_of(unit, ids)
    last = service.last_of(unit, places)
    numbers = of_day(unit, ids)
    return {row.id: _check(row, places[row.id], last, numbers[row.id]) for row in rows}


def check(unit: Unit, row: Synthetic) -> SyntheticOut:
    """Return one check."""
    return checks(unit, [row])[row.id]


def result(row: SyntheticResult, shots: Sequence[ScreenshotOut] = ()) -> ResultOut:
    """Return one result."""
    facts: Mapping[str, Any] = row.outcome
    expires = facts.get("certificate_expires_s")
    return ResultOut.of_row(
        row,
        attempts=facts.get("attempts"),
        phases_ms={
            name: round(seconds * 1000, 3) for name, seconds in facts.get("phases", {}).items()
        },
        address=facts.get("address"),
        http_status=facts.get("http_status"),
        redirects=facts.get("redirects"),
        tls_version=facts.get("tls_version"),
        certificate_expires_at=None if expires is None else from_ms(int(expires * 1000)),
        assertions=facts.get("assertions", []),
        steps=facts.get("steps", []),
        screenshots=list(shots),
    )


def _check(
    row: Synthetic,
    places: Sequence[SyntheticRegion],
    last: Mapping[str, SyntheticResult],
    uptime: UptimeNumbers,
) -> SyntheticOut:
    plan = row.plan
    request, exchange = plan.get("request", {}), plan.get("exchange", {})
    done = [one for p in places if (one := last.get(p.last_result_id or "")) is not None]
    newest = max(done, key=lambda one: (one.completed_at or one.created_at, one.id), default=None)
    return SyntheticOut.of_row(
        row,
        interval=timedelta(milliseconds=row.interval_ms),
        timeout=timedelta(milliseconds=row.timeout_ms),
        method=request.get("method"),
        headers=request.get("headers"),
        body=request.get("body"),
        follow_redirects=request.get("follow_redirects"),
        tls=exchange.get("tls"),
        send=exchange.get("send"),
        expect=exchange.get("expect"),
        steps=plan.get("steps"),
        assertions=plan.get("assertions", []),
        status=[_region(p, last.get(p.last_result_id or "")) for p in places],
        last_result=None if newest is None else LastResult.model_validate(newest),
        uptime_24h=uptime,
    )


def _region(place: SyntheticRegion, last: SyntheticResult | None) -> RegionOut:
    return RegionOut.of_row(
        place,
        last_status=None if last is None else last.status,
        last_at=None if last is None else last.completed_at,
        last_duration_ms=None if last is None else last.duration_ms,
        last_failure_reason=None if last is None else last.failure_reason,
        running=place.result_id is not None,
    )
