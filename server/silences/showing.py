"""Rows of silences as wire shapes."""

from __future__ import annotations

from datetime import datetime

from novaql.server.silences.repository import state_of
from novaql.server.silences.schema import MatcherOut, RevisionOut, SilenceOut
from novaql.server.silences.tables import SilenceRow


def silence_out(row: SilenceRow, now: datetime) -> SilenceOut:
    """The wire shape of a silence."""
    last = row.revisions[-1]
    return SilenceOut(
        id=row.id,
        alert_id=row.alert_id,
        matchers=[MatcherOut(name=n, op=op, value=v) for n, op, v in row.matchers],
        state=state_of(row, now),  # type: ignore[arg-type]  # one of the three
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
