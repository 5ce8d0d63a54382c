"""/v1/oncall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Query, Response
from sqlalchemy import select

from novaql.server.contacts.lookup import Contact, contacts_of
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    BaseUrl,
    Caller,
    IfMatch,
    Pages,
    ResourceId,
    Server,
    UnitOfWork,
    if_match,
)
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.oncall import service, shifts
from novaql.server.oncall.model import Budget
from novaql.server.oncall.people import people_of
from novaql.server.oncall.schema import (
    FeedOut,
    MakeOverride,
    OnCallOut,
    OnCallQuery,
    OnCallsOut,
    OverrideOut,
    OverrideQuery,
    OverridesOut,
    SaveSchedule,
    ScheduleOut,
    ScheduleQuery,
    SchedulesOut,
)
from novaql.server.oncall.tables import OncallSchedule

router = api_router("/v1/oncall", "oncall")
UNKNOWN_ID: dict[str, Any] = {"description": "There is no schedule with the `id`"}


@router.get("", dependencies=[READ_ONLY])
def list_on_call(
    unit: UnitOfWork, pages: Pages, server: Server, query: Annotated[OnCallQuery, Query()]
) -> OnCallsOut:
    """The users on call now, or at a time: one entry for each schedule.

    `from` and `until` are those of the whole shift. If no user is on call, `user` is null and `gap`
    is the reason. A page ends early if its schedules have very many shifts.
    """
    at = unit.now() if query.at is None else query.at
    statement = select(OncallSchedule)
    if query.schedule is not None:
        statement = statement.where(OncallSchedule.id == query.schedule)
    page = pages.page(unit, statement, service.KEYS, query)
    found = shifts.all_on_call(unit, page.rows, at, Budget(server.tuning.oncall_page_steps))
    page = pages.first_of(page, len(found), service.KEYS, query)
    users = sorted({one.user.id for one in found if one.user is not None})
    contacts = contacts_of(unit, users)
    data = [_shown(one, contacts) for one in found]
    return OnCallsOut(data=data, next_cursor=page.next_cursor)


@router.get("/schedules", dependencies=[READ_ONLY])
@cached(by="rows")
def list_schedules(
    unit: UnitOfWork, pages: Pages, query: Annotated[ScheduleQuery, Query()]
) -> SchedulesOut:
    """The schedules, oldest first."""
    page = service.find(unit, pages, query)
    people = people_of(unit, service.members_of(page.rows))
    return SchedulesOut.of(page, lambda row: service.shown(row, people))


@router.post(
    "/schedules",
    status_code=201,
    dependencies=[OPERATOR, Depends(if_match)],
    responses={200: {"model": ScheduleOut}, 404: UNKNOWN_ID},
)
@audited("schedule.create")
def save_schedule(
    unit: UnitOfWork, body: SaveSchedule, seen: IfMatch, response: Response
) -> ScheduleOut:
    """Create or replace a schedule.

    A body with an `id` replaces that schedule, from its `version` (or If-Match). Rotations,
    hand-offs and restrictions are in the wall-clock time of `timezone`: a hand-off that clocks skip
    is at the first instant after the change. The first member begins at `start`; its turn ends as
    if it had begun at the hand-off before. The last layer that has a user at a time has precedence;
    overrides have precedence over layers.
    """
    row, is_new = service.save(unit, body, seen)
    if is_new:
        response.headers["Location"] = f"/v1/oncall/schedules/{row.id}"
    else:
        response.status_code = 200
    return _schedule(unit, row)


@router.get("/schedules/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_schedule(unit: UnitOfWork, id: ResourceId) -> ScheduleOut:
    """One schedule."""
    return _schedule(unit, unit.get(OncallSchedule, id, "schedule"))


@router.delete("/schedules/{id}", status_code=204, dependencies=[OPERATOR])
@audited("schedule.delete")
def delete_schedule(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete a schedule with its overrides. Its feed stops."""
    service.remove(unit, id)


@router.post("/schedules/{id}/ical-secret", dependencies=[OPERATOR])
@audited("schedule.rotate_ical_secret")
def rotate_ical_secret(
    unit: UnitOfWork, id: ResourceId, caller: Caller, base_url: BaseUrl
) -> FeedOut:
    """Create the URL of the iCalendar feed of a schedule. Only this answer contains it.

    Each program with the URL reads the feed, without a token. The previous URL is invalid at once.
    The URL is also invalid while its creator is deactivated or is not an operator.
    """
    row, secret = service.rotate_feed(unit, id, caller)
    assert row.ical_created_at is not None
    url = f"{base_url}/v1/oncall/schedules/{row.id}/ical?secret={secret}"
    return FeedOut(schedule_id=row.id, url=url, secret=secret, created_at=row.ical_created_at)


@router.delete("/schedules/{id}/ical-secret", status_code=204, dependencies=[OPERATOR])
@audited("schedule.revoke_ical_secret")
def revoke_ical_secret(unit: UnitOfWork, id: ResourceId) -> None:
    """Revoke the URL of the feed. 404 if there is none."""
    service.revoke_feed(unit, id)


@router.get("/overrides", dependencies=[READ_ONLY])
@cached(by="rows")
def list_overrides(
    unit: UnitOfWork, pages: Pages, query: Annotated[OverrideQuery, Query()]
) -> OverridesOut:
    """The overrides, oldest first. The server deletes them 800 days after their end."""
    page = service.find_overrides(unit, pages, query)
    people = people_of(unit, (row.user_id for row in page.rows))
    return OverridesOut.of(page, lambda row: service.shown_override(row, people))


@router.post("/overrides", status_code=201, dependencies=[OPERATOR])
@audited("override.create")
def create_override(unit: UnitOfWork, body: MakeOverride, caller: Caller) -> OverrideOut:
    """Put a user on call in place of those of a schedule's layers.

    Of overrides at the same time, the last created has precedence. An override may lie in the past:
    it records who was on call.
    """
    row = service.add_override(unit, body, caller)
    return service.shown_override(row, people_of(unit, [row.user_id]))


@router.delete("/overrides/{id}", status_code=204, dependencies=[OPERATOR])
@audited("override.delete")
def delete_override(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete an override, or end it now if it has begun. 404 if it is over."""
    service.end_override(unit, id)


def _schedule(unit: UnitOfWork, row: OncallSchedule) -> ScheduleOut:
    return service.shown(row, people_of(unit, service.members_of([row])))


def _shown(one: shifts.OnCall, contacts: Mapping[str, Sequence[Contact]]) -> OnCallOut:
    user = one.user
    own = () if user is None else contacts.get(user.id, ())
    methods = {used.method.id: used.method for used in own}.values()
    named = [{"name": method.name, "type": method.type} for method in methods]
    return OnCallOut.model_validate(
        {
            "schedule": one.schedule_id,
            "schedule_name": one.schedule_name,
            "user": None
            if user is None
            else {
                "id": user.id,
                "name": user.name,
                "contact": {"email": user.email, "methods": named},
            },
            "from": one.starts,
            "until": one.ends,
            "source": one.source,
            "layer": one.layer,
            "override_id": one.override_id,
            "gap": one.gap,
            "absent": [{"id": key, "name": name} for key, name in one.absent],
        }
    )
