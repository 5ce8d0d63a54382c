"""Final schedules of a range: of a schedule, and of one that is not saved yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.db.unit import Unit
from novaql.server.http.dependencies import READ_ONLY, ResourceId, UnitOfWork
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.request import context_of
from novaql.server.http.routing import api_router, cached
from novaql.server.http.unit_of_work import in_unit
from novaql.server.oncall import service, shifts
from novaql.server.oncall.model import Schedule, Span, Term
from novaql.server.oncall.people import People, people_of
from novaql.server.oncall.reading import check_zone, layers_of
from novaql.server.oncall.schema import (
    PreviewOut,
    PreviewSchedule,
    ShiftOut,
    ShiftsOut,
    ShiftsQuery,
)
from novaql.server.oncall.tables import OncallSchedule
from novaql.server.oncall.wall_clock import zone_of

router = api_router("/v1/oncall/schedules", "oncall")
REFUSED: dict[int | str, dict[str, Any]] = {422: {"description": "The range has too many shifts"}}


@router.get("/{id}/shifts", dependencies=[READ_ONLY], responses=REFUSED)
@cached(by="rows, slowly")
def list_shifts(
    unit: UnitOfWork, id: ResourceId, query: Annotated[ShiftsQuery, Query()]
) -> ShiftsOut:
    """The final schedule of a range: layers and overrides, resolved into contiguous shifts and
    gaps. Each gap has its reason."""
    row = unit.get(OncallSchedule, id, "schedule")
    start, end = shifts.checked_range(unit, query.from_, query.to)
    loaded = shifts.load(unit, [row], start, end)
    spans = shifts.shifts_of(loaded.schedules[row.id], start, end)
    shown = _preview(row.timezone, start, end, spans, loaded.people)
    return ShiftsOut.model_validate({**shown, "schedule": row.id})


@router.post("/preview", dependencies=[READ_ONLY], response_model=PreviewOut)
async def preview_schedule(request: Request, body: PreviewSchedule) -> Response:
    """The final schedule that layers would have, without saving them."""
    check_zone(body.timezone)
    layers = layers_of(body.layers)
    ids = [key for layer in layers for key in layer.members]

    def read(unit: Unit) -> tuple[datetime, datetime, People]:
        service.check_members(unit, body.layers)
        return *shifts.checked_range(unit, body.from_, body.to), people_of(unit, ids)

    start, end, people = await in_unit(request, read)
    schedule = Schedule((Term(zone_of(body.timezone), layers),), left=people.left)

    def work() -> bytes:
        spans = shifts.shifts_of(schedule, start, end)
        shown = PreviewOut.model_validate(_preview(body.timezone, start, end, spans, people))
        return json_bytes(shown.model_dump(mode="json"))

    content = await context_of(request).pools.queries.check(request, lambda _: work())
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


def _preview(
    timezone: str, start: datetime, end: datetime, spans: Sequence[Span], people: People
) -> dict[str, Any]:
    zone = zone_of(timezone)
    data = [_shift(span, zone, people) for span in spans]
    gaps = [one for one in data if one.gap is not None]
    return {"timezone": timezone, "from": start, "to": end, "data": data, "gaps": gaps}


def _shift(span: Span, zone: ZoneInfo, people: People) -> ShiftOut:
    def local_text(at: datetime) -> str:
        return at.astimezone(zone).isoformat(timespec="seconds")

    user = None
    if span.user_id is not None:
        user = {"id": span.user_id, "name": people.name(span.user_id)}
    return ShiftOut.model_validate(
        {
            "from": span.start,
            "until": span.end,
            "from_local": local_text(span.start),
            "until_local": local_text(span.end),
            "user": user,
            **shifts.span_fields(span, people),
        }
    )
