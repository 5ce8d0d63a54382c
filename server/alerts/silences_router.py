"""/v1/silences."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from novaql.server.alerts import silencing, telling
from novaql.server.alerts.alert_schema import (
    MakeSilence,
    MatcherOut,
    RevisionOut,
    SilenceOut,
    SilenceQuery,
    SilencesOut,
)
from novaql.server.alerts.matcher_text import checked
from novaql.server.alerts.silences import (
    InvalidSilence,
    checked_duration,
    checked_matchers,
    checked_reason,
)
from novaql.server.alerts.tables import Alert, SilenceRow
from novaql.server.platform.calls import Answer, Call, created, listed, no_content, ok, operation
from novaql.server.platform.cursors import Key
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.errors import invalid, not_found
from novaql.server.platform.scopes import Role
from novaql.tsdb.matchers import Matcher, MatchOp

KEYS = (Key(SilenceRow.created_at), Key(SilenceRow.id))


def list_silences(call: Call) -> Answer:
    """Silences, those that are over included, until they are asked for by state."""
    query = call.query(SilenceQuery)
    now = call.now()
    statement = select(SilenceRow)
    if query.alert_id is not None:
        statement = statement.where(SilenceRow.alert_id == query.alert_id)
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
    return listed(call.page(statement, KEYS), lambda row: silence_out(row, now))


def make_silence(call: Call) -> Answer:
    """Silence every alert that all matchers match: 201, or 200 where just these were silenced.

    At least one matcher must not match the empty text: that would be everything.
    """
    body = call.body(MakeSilence)
    matchers = tuple(
        checked(Matcher(one.name, MatchOp(one.op), one.value), f"/matchers/{number}")
        for number, one in enumerate(body.matchers)
    )
    starts_at = call.now() if body.starts_at is None else body.starts_at
    try:
        matchers = checked_matchers(matchers)
        reason = checked_reason(body.reason)
    except InvalidSilence as problem:
        raise invalid(
            "/matchers" if "matcher" in str(problem) else "/reason", str(problem)
        ) from None
    if (body.ends_at is None) == (body.duration is None):
        raise invalid("/ends_at", "either ends_at or duration is needed")
    if body.duration is not None:
        ends_at, pointer = starts_at + body.duration, "/duration"
    else:
        assert body.ends_at is not None
        ends_at, pointer = body.ends_at, "/ends_at"
    try:
        checked_duration(ends_at - starts_at)
    except InvalidSilence as problem:
        raise invalid(pointer, str(problem)) from None
    if ends_at <= call.now():
        raise invalid(pointer, "the silence would be over already")
    row, new = silencing.silence(
        call, matchers, starts_at=starts_at, ends_at=ends_at, reason=reason
    )
    call.session.flush()
    call.audit("silence.create", ("silence", row.id), after=silencing.snapshot(row))
    call.publish("alert.silence_created", {"silence": silencing.snapshot(row)})
    shown = silence_out(row, call.now())
    return created(shown, f"/v1/silences/{row.id}") if new else ok(shown)


def get_silence(call: Call) -> Answer:
    """One silence, with everything that it said before."""
    return ok(silence_out(call.get(SilenceRow, call.name("id"), "silence"), call.now()))


def lift_silence(call: Call) -> Answer:
    """End a silence now. One that is over is a 404."""
    row = call.get(SilenceRow, call.name("id"), "silence", lock=True)
    if not silencing.counts(row, call.now()):
        raise not_found("silence", row.id, call.tenant_name)
    before = silencing.snapshot(row)
    known = silencing.silence_of(row)
    firing = call.session.execute(select(Alert).where(Alert.state == "firing")).scalars()
    muted = [alert.id for alert in firing if known.mutes(alert.labels, call.now())]
    silencing.lift(call, row)
    telling.unmuted_again(call, muted)
    call.session.flush()
    call.audit("silence.lift", ("silence", row.id), before=before)
    call.publish("alert.silence_lifted", {"silence": before})
    return no_content()


def silence_out(row: SilenceRow, now: datetime) -> SilenceOut:
    """A silence as clients see it."""
    last = row.revisions[-1]
    return SilenceOut(
        id=row.id,
        alert_id=row.alert_id,
        matchers=[MatcherOut(name=n, op=op, value=v) for n, op, v in row.matchers],
        state=silencing.state_of(row, now),  # type: ignore[arg-type]  # one of the three
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        until_resolved=row.until_resolved,
        lifted_at=row.lifted_at,
        reason=last["reason"],
        created_by=last["created_by"],
        revision=last["number"],
        revisions=[RevisionOut.model_validate(one) for one in row.revisions],
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/silences",
        list_silences,
        role=Role.READ_ONLY,
        tag="alerts",
        query=SilenceQuery,
        answer=SilencesOut,
    ),
    operation(
        "POST",
        "/v1/silences",
        make_silence,
        role=Role.OPERATOR,
        tag="alerts",
        action="silence.create",
        body=MakeSilence,
        answer=SilenceOut,
        success=201,
        answers={200: SilenceOut},
        example={
            "matchers": [{"name": "provider", "value": "payments"}],
            "duration": "1h",
            "reason": "maintenance of the payment provider",
        },
    ),
    operation(
        "GET",
        "/v1/silences/{id}",
        get_silence,
        role=Role.READ_ONLY,
        tag="alerts",
        answer=SilenceOut,
    ),
    operation(
        "DELETE",
        "/v1/silences/{id}",
        lift_silence,
        role=Role.OPERATOR,
        tag="alerts",
        action="silence.lift",
        success=204,
    ),
)
