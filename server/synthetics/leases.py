"""What runners in other processes do: claim runs, report them, renew their leases."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from novaql.server.auth.roles import Principal
from novaql.server.crypto.sealing import CannotUnseal
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Forbidden, invalid
from novaql.server.probes.result import without_secrets
from novaql.server.synthetics import runs
from novaql.server.synthetics.probes_schema import ClaimRuns, ReportRun
from novaql.server.synthetics.tables import ProbeRunner, Synthetic, SyntheticResult


def region_of(caller: Principal, wanted: str | None, *, with_tokens: bool) -> str:
    """Return the region of a runner.

    with_tokens  False: the server requires no tokens, and the request names the region

    Raises `Forbidden` for a token without a region, and for another region than its own.
    """
    own = caller.region if with_tokens else wanted
    if own is None:
        if not with_tokens:
            raise invalid("/region", "this server has no tokens: name the region")
        raise Forbidden("this needs a token with the purpose probe", code="not_a_runner")
    if wanted not in (None, own):
        raise Forbidden(f"the token is for the region {own}", code="other_region")
    return own


def claim(unit: Unit, caller: Principal, region: str, body: ClaimRuns) -> list[runs.Leased]:
    """Lease due runs of a region to a runner."""
    lasts = timedelta(seconds=unit.settings.probe_lease_s)
    note_runner(unit, caller, region, body)
    found = []
    for check_id in runs.due(unit, region, body.capabilities, body.most):
        leased = runs.begin(unit, check_id, region, caller.id, lasts)
        if leased is not None:
            found.append(leased)
    return found


def report(unit: Unit, caller: Principal, region: str | None, body: ReportRun) -> SyntheticResult:
    """Record the outcome of a run that this runner has leased. Raises `Conflict` `lease_over` for
    any other."""
    over = Conflict("the lease has ended, or is not of this runner", code="lease_over")
    row = runs.of_lease(unit, body.lease)
    if row is None or row.runner != caller.id or region not in (None, row.region):
        raise over
    check = unit.find(Synthetic, row.synthetic_id)
    if check is None:
        raise over
    try:
        secrets = list(runs.spec_of(unit, check).secrets.values())
    except CannotUnseal:  # the runner has masked them, too
        secrets = []
    outcome = without_secrets(body.outcome, secrets)
    if not runs.complete(unit, row.id, body.lease, outcome):
        raise over
    return row


def renew(unit: Unit, caller: Principal, leases: Sequence[str]) -> list[str]:
    """Renew leases of a runner. Return those that have ended.

    A lease is renewed up to the longest time of its run, so that a runner cannot hold a run.
    """
    lasts = timedelta(seconds=unit.settings.probe_lease_s)
    ended = []
    for lease in leases:
        row = runs.of_lease(unit, lease)
        check = None if row is None else unit.find(Synthetic, row.synthetic_id)
        if row is None or check is None or row.runner != caller.id:
            ended.append(lease)
            continue
        if row.started_at is None or not runs.is_leased(unit, row):
            ended.append(lease)
            continue
        longest = runs.longest(unit, check)
        row.lease_until = min(unit.now() + lasts, row.started_at + longest + lasts)
    return ended


def note_runner(unit: Unit, caller: Principal, region: str, body: ClaimRuns) -> None:
    """Record when a runner was last seen, to the second."""
    now = unit.now().replace(microsecond=0)
    row = unit.session.get(ProbeRunner, caller.id)
    if row is None:
        # On PostgreSQL, another runner with this token may create the row now.
        with suppress(IntegrityError), unit.session.begin_nested():
            unit.session.add(
                ProbeRunner(
                    token_id=caller.id, region=region, seen_at=now, version="", capabilities=[]
                )
            )
        row = unit.session.get_one(ProbeRunner, caller.id, populate_existing=True)
    row.region, row.seen_at = region, now
    row.version, row.capabilities = body.version, sorted(set(body.capabilities))
