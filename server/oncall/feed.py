"""/v1/oncall/schedules/{id}/ical: a schedule as iCalendar, for clients with a token, and for
calendar programs with the secret of its feed."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.auth.roles import Principal, Role
from novaql.server.clock import rfc3339
from novaql.server.crypto.token_secrets import digest_of
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import User
from novaql.server.db.unit import Origin, Unit, system_actor
from novaql.server.errors import Forbidden
from novaql.server.http.dependencies import Requires, ResourceId
from novaql.server.http.request import context_of
from novaql.server.http.routing import api_router
from novaql.server.oncall.ical import Calendar, Shift
from novaql.server.oncall.model import FAR, MOST_STEPS, Schedule
from novaql.server.oncall.schema import FeedQuery
from novaql.server.oncall.shifts import load
from novaql.server.oncall.tables import OncallOverride, OncallSchedule
from novaql.server.tenants.context import ServerContext

router = api_router("/v1/oncall", "oncall")
_WITH_TOKEN = Requires(Role.READ_ONLY)
_MOST_HALVINGS = 12
"""How often the range of a feed is halved. It is then minutes long, and the remaining work is that
of simultaneous overrides."""


@router.get(
    "/schedules/{id}/ical",
    response_class=Response,
    responses={
        200: {"content": {"text/calendar": {}}},
        401: {},
        403: {"description": "The URL opens nothing"},
    },
)
async def get_ical_feed(
    request: Request, id: ResourceId, query: Annotated[FeedQuery, Query()]
) -> Response:
    """The shifts of a schedule as iCalendar. A request needs a token with the role `read_only`, or,
    for calendar programs, the `secret` of the feed, which is valid until it is rotated or revoked.
    Its readers share quotas like those of a token. The description of a calendar with too many
    shifts states that it is truncated.
    """
    if query.secret is None:
        await _WITH_TOKEN(request)
        scoped = context_of(request)
    else:
        scoped = await _with_secret(request, id, query.secret)
    text = await scoped.pools.readers.run(
        lambda: _text(scoped, id, query.user), tenant=scoped.tenant_id
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'inline; filename="{id}.ics"',
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(text.encode(), headers=headers, media_type="text/calendar; charset=utf-8")


async def _with_secret(request: Request, key: str, secret: str) -> ServerContext:
    """Admit a request with the secret of a feed. Return the context of its tenant."""
    context = context_of(request)
    try:
        scoped = await context.pools.state.run(lambda: _opened(context, key, secret))
    except Forbidden:
        await context.access.unauthenticated_limit.count(request)
        raise
    request.scope["state"]["context"] = scoped  # the tenant of the request from here on
    # The quotas are as large as those of a token and of a tenant, but belong to this URL: its
    # clients cannot spend the quotas of others, and a new secret has new quotas.
    bucket = f"{key}:{digest_of(secret)[:32]}"
    wanted = [(quota, bucket) for quota in context.access.quota_plan.get("api", ())]
    if wanted and context.access.quotas.spend_at_once(wanted) is None:
        await context.pools.state.run(
            lambda: context.access.quotas.spend(wanted), tenant=scoped.tenant_id
        )
    return scoped


def _opened(context: ServerContext, key: str, secret: str) -> ServerContext:
    """Return the context of the schedule's tenant. Raises `Forbidden`."""
    refused = Forbidden("this URL opens nothing", code="invalid_feed")
    with context.database.read(None) as session:
        found = session.execute(
            select(OncallSchedule, Tenant, User)
            .join(Tenant, Tenant.id == OncallSchedule.tenant_id)
            .outerjoin(User, User.id == OncallSchedule.ical_created_by)
            .where(OncallSchedule.id == key)
        ).one_or_none()
        if found is None:
            raise refused
        schedule, tenant, maker = found
        expected = schedule.ical_digest or ""
        if not hmac.compare_digest(expected, digest_of(secret)):
            raise refused
        if not _may_share(context, schedule, maker):
            raise refused
        principal = Principal(
            id=schedule.id,
            name="on-call feed",
            role=Role.READ_ONLY,
            api_version=context.access.default_principal.api_version,
            tenant_id=tenant.id,
            tenant_name=tenant.name,
            user_id=schedule.ical_created_by or "",
            user_name="on-call feed",
            limits=tenant.limits,
        )
    return context.scoped(principal)


def _may_share(context: ServerContext, schedule: OncallSchedule, maker: User | None) -> bool:
    """Whether the creator of the URL may still create it: active, and at least an operator."""
    if maker is None:  # created while the server required no tokens
        return (
            context.access.accounts is None
            and schedule.ical_created_by == context.access.default_principal.user_id
        )
    return maker.status == "active" and Role(maker.role).covers(Role.OPERATOR)


def _text(context: ServerContext, key: str, user_id: str | None) -> str:
    settings = context.settings
    with context.unit(system_actor("schedule.ical"), Origin(key), writes=False) as unit:
        row = unit.get(OncallSchedule, key, "schedule")
        now = unit.now()
        start = now - timedelta(days=settings.oncall_feed_past_days)
        end = now + timedelta(days=settings.oncall_feed_days)
        loaded = load(unit, [row], start - FAR[-1], end + FAR[-1])
        overrides = _overrides(unit, key, start)
        name, timezone, changed_at = row.name, row.timezone, row.updated_at
    schedule = loaded.schedules[key]
    start, end, notice = _bounded(schedule, now, start, end)
    changes = [changed_at, *(one.updated_at for one in overrides.values())]
    shifts = [
        Shift(
            span.user_id,
            loaded.people.name(span.user_id),
            span.start,
            span.end,
            overrides[span.override_id].reason if span.override_id in overrides else "",
        )
        for span in schedule.whole(start, end)
        if span.user_id is not None and user_id in (None, span.user_id)
    ]
    return Calendar(key, name, timezone, max(changes), shifts, notice).text()


def _bounded(
    schedule: Schedule, now: datetime, start: datetime, end: datetime
) -> tuple[datetime, datetime, str]:
    """Shorten a range on both sides of now, in proportion, until its work is bounded. Return it,
    and a notice for readers; empty if it is not shortened."""
    past, future = now - start, end - now
    halvings = 0
    while schedule.steps(start, end) > MOST_STEPS and halvings < _MOST_HALVINGS:
        halvings += 1
        start, end = now - past / 2**halvings, now + future / 2**halvings
    if not halvings:
        return start, end, ""
    notice = f"Shortened: the schedule has too many shifts. Only those from {rfc3339(start)} to "
    return start, end, notice + f"{rfc3339(end)} are in this feed."


def _overrides(unit: Unit, key: str, since: datetime) -> dict[str | None, OncallOverride]:
    """The overrides of the feed, by id."""
    statement = select(OncallOverride).where(
        OncallOverride.schedule_id == key, OncallOverride.ends_at > since
    )
    found: dict[str | None, OncallOverride] = {}
    for row in unit.session.execute(statement).scalars():
        unit.session.expunge(row)
        found[row.id] = row
    return found
