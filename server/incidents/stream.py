"""The timeline of an incident as a stream of events."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.db.unit import Unit
from novaql.server.errors import Detail, InvalidRequest
from novaql.server.http.dependencies import usable
from novaql.server.http.event_stream import EventStream, StreamEvent, last_event_id
from novaql.server.http.json_bytes import model_bytes
from novaql.server.http.unit_of_work import in_unit
from novaql.server.incidents.schema import TimelineEntryOut
from novaql.server.incidents.tables import Entry, Incident


async def stream_timeline(request: Request) -> Response:
    """The entries after `Last-Event-ID`, and then each new one."""
    incident_id = usable(request.path_params["id"])
    after = last_event_id(request)
    await in_unit(request, partial(_check, incident_id=incident_id, after=after))
    read = partial(_entries, incident_id)
    return EventStream(request, table=Entry.__tablename__, read=read, after=after)


def _check(unit: Unit, incident_id: str, after: int) -> None:
    """Raise the 404, or a 400 for an id that the timeline does not have yet: the client would wait
    for it, and miss the entries before it."""
    incident = unit.get(Incident, incident_id, "incident")
    if after > incident.entries:
        message = f"Last-Event-ID is {after}; the timeline has {incident.entries} entries"
        raise InvalidRequest(message, details=[Detail("", message)])


def _entries(incident_id: str, unit: Unit, after: int, most: int) -> Sequence[StreamEvent]:
    statement = (
        select(Entry)
        .where(Entry.incident_id == incident_id, Entry.seq > after)
        .order_by(Entry.seq)
        .limit(most)
    )
    shown = map(TimelineEntryOut.model_validate, unit.session.execute(statement).scalars())
    return [StreamEvent(entry.seq, model_bytes(entry)) for entry in shown]
