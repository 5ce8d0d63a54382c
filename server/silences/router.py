"""/v1/silences."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response
from sqlalchemy import select

from novaql.server.alert_model.matcher_text import checked
from novaql.server.alert_model.tables import Alert
from novaql.server.errors import invalid, not_found
from novaql.server.http.dependencies import OPERATOR, READ_ONLY, Pages, ResourceId, UnitOfWork
from novaql.server.http.pagination import Key, equal_to
from novaql.server.http.routing import api_router, audited
from novaql.server.notifications.dispatch import notify_again
from novaql.server.silences import repository
from novaql.server.silences.model import checked_duration, checked_matchers, checked_reason
from novaql.server.silences.schema import MakeSilence, SilenceOut, SilenceQuery, SilencesOut
from novaql.server.silences.tables import SilenceRow
from novaql.tsdb import Matcher, MatchOp

router = api_router("/v1/silences", "alerts")

KEYS = (Key(SilenceRow.created_at), Key(SilenceRow.id))


@router.get("", dependencies=[READ_ONLY])
def list_silences(
    unit: UnitOfWork, pages: Pages, query: Annotated[SilenceQuery, Query()]
) -> SilencesOut:
    """Silences. Without `state`, the list includes expired ones."""
    now = unit.now()
    statement = select(SilenceRow).where(*equal_to(SilenceRow, query, "alert_id"))
    ended = SilenceRow.lifted_at.is_not(None) | (
        SilenceRow.ends_at.is_not(None) & (SilenceRow.ends_at <= now)
    )
    match query.state:
        case "expired":
            statement = statement.where(ended)
        case "pending":
            statement = statement.where(~ended, SilenceRow.starts_at > now)
        case "active":
            statement = statement.where(~ended, SilenceRow.starts_at <= now)
    page = pages.page(unit, statement, KEYS, query)
    shown = [SilenceOut.of(row, now) for row in page.rows]
    return SilencesOut(data=shown, next_cursor=page.next_cursor)


@router.post("", status_code=201, dependencies=[OPERATOR], responses={200: {"model": SilenceOut}})
@audited("silence.create")
def make_silence(unit: UnitOfWork, body: MakeSilence, response: Response) -> SilenceOut:
    """Silence every alert that all of the matchers match.

    201 for a new silence. 200 if a silence with the same matchers is pending or active: the request
    changes it. 409 if that would move the start of an active silence into the future.

    At least one matcher must not match the empty text; otherwise it would silence every alert.
    """
    matchers = tuple(
        checked(Matcher(one.name, MatchOp(one.op), one.value), f"/matchers/{number}")
        for number, one in enumerate(body.matchers)
    )
    starts_at = unit.now() if body.starts_at is None else body.starts_at
    matchers = checked_matchers(matchers)
    reason = checked_reason(body.reason)
    if (body.ends_at is None) == (body.duration is None):
        raise invalid("/ends_at", "either ends_at or duration is needed")
    if body.duration is not None:
        try:
            ends_at, pointer = starts_at + body.duration, "/duration"
        except OverflowError:
            raise invalid("/starts_at", "the silence would end after the year 9999") from None
    else:
        assert body.ends_at is not None
        ends_at, pointer = body.ends_at, "/ends_at"
    checked_duration(ends_at - starts_at, pointer)
    if ends_at <= unit.now():
        raise invalid(pointer, "the silence would be over already")
    row, before = repository.silence(
        unit, matchers, starts_at=starts_at, ends_at=ends_at, reason=reason
    )
    after = repository.snapshot(row)
    event = ("alert.silence_created", {"silence": after})
    unit.audit("silence.create", ("silence", row.id), before=before, after=after, event=event)
    if before is None:
        response.headers["Location"] = f"/v1/silences/{row.id}"
    else:
        response.status_code = 200
    return SilenceOut.of(row, unit.now())


@router.get("/{id}", dependencies=[READ_ONLY])
def get_silence(unit: UnitOfWork, id: ResourceId) -> SilenceOut:
    """One silence, with its revisions."""
    return SilenceOut.of(unit.get(SilenceRow, id, "silence"), unit.now())


@router.delete("/{id}", status_code=204, dependencies=[OPERATOR])
@audited("silence.lift")
def lift_silence(unit: UnitOfWork, id: ResourceId) -> None:
    """End a silence now. 404 if it has expired."""
    row = unit.get(SilenceRow, id, "silence", lock=True)
    known = repository.silence_of(row)
    if not known.is_current(unit.now()):
        raise not_found("silence", row.id, unit.tenant_name)
    before = repository.snapshot(row)
    firing = select(Alert.id, Alert.labels).where(Alert.state == "firing")
    rows = unit.session.execute(firing.execution_options(yield_per=500))
    muted = [id for id, labels in rows if known.mutes(labels, unit.now())]
    repository.lift(unit, row)
    notify_again(unit, muted)
    event = ("alert.silence_lifted", {"silence": before})
    unit.audit("silence.lift", ("silence", row.id), before=before, event=event)
