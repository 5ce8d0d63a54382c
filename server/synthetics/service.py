"""Use cases of synthetic checks: create, delete, run, show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from novaql.server.catalog.lookup import check_service
from novaql.server.db.engine import flushed_or
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, impossible, not_found
from novaql.server.escalation_model.lookup import check_policy
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.ids import new_id
from novaql.server.probes.spec import HttpRequest, TcpExchange
from novaql.server.synthetics import runs
from novaql.server.synthetics.checks import timeout_of
from novaql.server.synthetics.model import State, Status, Trigger, first_time
from novaql.server.synthetics.rules import alert_rules
from novaql.server.synthetics.schema import (
    CreateSynthetic,
    ResultQuery,
    RunSynthetic,
    SyntheticQuery,
)
from novaql.server.synthetics.tables import Synthetic, SyntheticRegion, SyntheticResult

PROBE = "synthetics.probe"
KEYS = (Key(Synthetic.created_at), Key(Synthetic.id))
NEWEST_FIRST = (
    Key(SyntheticResult.created_at, descending=True),
    Key(SyntheticResult.id, descending=True),
)


def find(unit: Unit, pages: Pager, query: SyntheticQuery) -> Page[Synthetic]:
    """A page of the checks, oldest first."""
    wanted = select(Synthetic).where(
        Synthetic.deleted_at.is_(None), *equal_to(Synthetic, query, "type", "state", "service")
    )
    return pages.page(unit, wanted, KEYS, query)


def get(unit: Unit, check_id: str, *, lock: bool = False) -> Synthetic:
    """Load a check that is not deleted."""
    check = unit.get(Synthetic, check_id, "synthetic", lock=lock)
    if check.deleted_at is not None:
        raise not_found("synthetic", check_id, unit.tenant_name)
    return check


def readable(unit: Unit, check_id: str) -> Synthetic:
    """Load a check, also for a while after its deletion, for its results."""
    check = unit.get(Synthetic, check_id, "synthetic")
    if check.expires_at is not None and check.expires_at <= unit.now():
        raise not_found("synthetic", check_id, unit.tenant_name)
    return check


def results(
    unit: Unit, pages: Pager, check_id: str, query: ResultQuery
) -> tuple[Synthetic, Page[SyntheticResult]]:
    """A page of the results of a check, newest first."""
    check = readable(unit, check_id)
    fields = ("region", "status", "trigger", "run_id")
    wanted = select(SyntheticResult).where(
        SyntheticResult.synthetic_id == check.id, *equal_to(SyntheticResult, query, *fields)
    )
    return check, pages.page(unit, wanted, NEWEST_FIRST, query)


def create(unit: Unit, body: CreateSynthetic) -> Synthetic:
    """Create a check from a validated body, and schedule it in its regions."""
    check_limit(unit, "max_synthetics", Synthetic, Synthetic.deleted_at.is_(None))
    if body.service is not None:
        check_service(unit, body.service, "/service")
    if body.escalation_policy_id is not None:
        check_policy(unit, body.escalation_policy_id, "/escalation_policy_id")
    key = new_id("syn")
    regions = list(body.regions or [unit.settings.probe_region])
    check = Synthetic(
        id=key,
        created_at=unit.now(),
        name=body.name,
        key=body.name,
        type=body.type,
        target=body.target,
        regions=regions,
        interval_ms=_ms(body.interval),
        timeout_ms=_ms(timeout_of(body, unit.settings)),
        retries=body.retries,
        plan=_plan(body),
        secrets=runs.sealed_secrets(unit, key, body.secrets),
        secret_names=sorted(body.secrets),
        min_failing_regions=body.min_failing_regions,
        failure_threshold=body.failure_threshold,
        success_threshold=body.success_threshold,
        severity=body.severity,
        service=body.service,
        escalation_policy_id=body.escalation_policy_id,
        state=State.UNKNOWN.value,
        state_since=unit.now(),
        created_by=unit.actor.id,
    )
    taken = Conflict(f"a synthetic check is named {body.name} already", code="name_taken")
    with flushed_or(unit.session, taken):
        unit.session.add(check)
    _schedule(unit, check)
    rules = alert_rules(check, unit.settings.synthetic_state_s)
    interval_s = unit.settings.synthetic_alert_interval_s
    unit.record(
        check,
        "synthetic.create",
        None,
        snapshot,
        event="synthetic.created",
        more={"alert_rules": rules, "interval_s": interval_s},
    )
    return check


def remove(unit: Unit, check_id: str) -> None:
    """Delete a check: its runs end, its alert resolves, and its results stay readable a while."""
    regions = get(unit, check_id).regions
    unit.cancel(PROBE, [job_key(check_id, region) for region in regions])  # jobs, then the check
    check = get(unit, check_id, lock=True)
    before = snapshot(check)
    check.deleted_at, check.key = unit.now(), check.id
    check.expires_at = unit.now() + timedelta(seconds=unit.settings.synthetic_deleted_s)
    check.secrets = None
    for result in runs.open_runs(unit, check.id):
        runs.cancel(unit, result)
    unit.record(check, "synthetic.delete", before, event="synthetic.deleted")


def run(unit: Unit, check_id: str, body: RunSynthetic) -> tuple[str, Sequence[str]]:
    """Queue a run outside of the schedule. Return its id and its regions."""
    known = get(unit, check_id).regions
    regions = known if body.regions is None else list(dict.fromkeys(body.regions))
    for number, region in enumerate(body.regions or ()):
        if region not in known:
            message = "the check does not run in this region"
            raise impossible(f"/regions/{number}", message, "unknown_region")
    if unit.settings.probe_region in regions:
        unit.enqueue(PROBE, key=job_key(check_id, unit.settings.probe_region))
    check = get(unit, check_id, lock=True)
    queued = [one for one in runs.open_runs(unit, check_id) if one.status == Status.QUEUED]
    if {one.region for one in queued} & set(regions):
        raise Conflict("a manual run of this check waits already", code="run_pending")
    run_id = new_id("run")
    until = unit.now() + timedelta(seconds=unit.settings.synthetic_manual_wait_s)
    for region in regions:
        result = runs.new_result(unit, check, region, run_id, Trigger.MANUAL)
        unit.enqueue(runs.LOST, key=result.id, run_at=until)
    unit.audit(
        "synthetic.run", ("synthetic", check.id), after={"run_id": run_id, "regions": regions}
    )
    return run_id, regions


def places_of(unit: Unit, ids: Sequence[str]) -> dict[str, list[SyntheticRegion]]:
    """Return the regions of checks, by id."""
    statement = select(SyntheticRegion).where(SyntheticRegion.synthetic_id.in_(ids))
    found: dict[str, list[SyntheticRegion]] = {one: [] for one in ids}
    for place in unit.session.execute(statement.order_by(SyntheticRegion.region)).scalars():
        found[place.synthetic_id].append(place)
    return found


def last_of(unit: Unit, places: dict[str, list[SyntheticRegion]]) -> dict[str, SyntheticResult]:
    """Return the last results of regions, by id."""
    ids = [p.last_result_id for group in places.values() for p in group if p.last_result_id]
    statement = select(SyntheticResult).where(SyntheticResult.id.in_(ids))
    return {one.id: one for one in unit.session.execute(statement).scalars()}


def snapshot(check: Synthetic) -> dict[str, Any]:
    """A check as the audit log and events contain it: without its secrets."""
    fields = (
        "id",
        "name",
        "type",
        "target",
        "regions",
        "interval_ms",
        "timeout_ms",
        "retries",
        "plan",
        "secret_names",
        "min_failing_regions",
        "failure_threshold",
        "success_threshold",
        "severity",
        "service",
        "escalation_policy_id",
    )
    return {name: getattr(check, name) for name in fields}


def job_key(check_id: str, region: str) -> str:
    """Return the key of the job that runs a check in a region."""
    return f"{check_id}/{region}"


def _schedule(unit: Unit, check: Synthetic) -> None:
    most_ms = 10_000
    for region in check.regions:
        at = first_time(check.id, region, unit.now(), check.interval_ms, most_ms)
        place = SyntheticRegion(
            synthetic_id=check.id,
            region=region,
            anchor=at,
            next_at=at,
            failures=0,
            successes=0,
            failing=False,
            completed=0,
            succeeded=0,
        )
        unit.session.add(place)
        if region == unit.settings.probe_region:
            unit.enqueue(PROBE, key=job_key(check.id, region), run_at=at)


def _plan(body: CreateSynthetic) -> dict[str, Any]:
    """Return what the runs of a check do: the fields of `ProbeSpec` that have no column."""
    plan: dict[str, Any] = {
        "assertions": [one.model_dump(mode="json") for one in body.assertions],
    }
    if body.type == "http":
        request = HttpRequest(
            method=body.method or "GET",
            headers=body.headers or {},
            body=body.body or "",
            follow_redirects=body.follow_redirects is not False,
        )
        plan["request"] = request.model_dump(mode="json")
    elif body.type == "tcp":
        exchange = TcpExchange(tls=bool(body.tls), send=body.send or "", expect=body.expect)
        plan["exchange"] = exchange.model_dump(mode="json")
    else:
        plan["steps"] = body.steps
    return plan


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
