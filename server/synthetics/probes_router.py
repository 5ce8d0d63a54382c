"""/v1/probes: for runners of checks in other processes (`novaql probe`)."""

from __future__ import annotations

from novaql.server.http.dependencies import OPERATOR, Caller, Server, UnitOfWork
from novaql.server.http.routing import api_router, spends
from novaql.server.synthetics import leases
from novaql.server.synthetics.probes_schema import (
    ClaimedRun,
    ClaimedRuns,
    ClaimRuns,
    Heartbeat,
    HeartbeatOut,
    Reported,
    ReportRun,
)

router = api_router("/v1/probes", "synthetics")


@router.post("/claim", dependencies=[OPERATOR], responses={403: {}})
@spends("probes")
def claim_runs(unit: UnitOfWork, caller: Caller, server: Server, body: ClaimRuns) -> ClaimedRuns:
    """Lease runs that are due in the region of the token, with the secrets of their checks.

    Only a token with the purpose `probe` can do this. A lease ends if it is not renewed by a
    heartbeat; the run is then `runner_lost`.
    """
    with_tokens = server.access.accounts is not None
    region = leases.region_of(caller, body.region, with_tokens=with_tokens)
    found = leases.claim(unit, caller, region, body)
    return ClaimedRuns(
        region=region,
        runs=[
            ClaimedRun(
                lease=one.lease,
                result_id=one.result_id,
                synthetic_id=one.synthetic_id,
                spec=one.spec.model_dump(mode="json"),
            )
            for one in found
        ],
        poll_after_s=unit.settings.probe_poll_s,
        heartbeat_every_s=unit.settings.probe_lease_s / 3,
    )


@router.post("/report", dependencies=[OPERATOR], responses={403: {}})
@spends("probes")
def report_run(unit: UnitOfWork, caller: Caller, server: Server, body: ReportRun) -> Reported:
    """Report the outcome of a leased run, once. Its time is the server's.

    409 `lease_over` if the lease has ended, was reported already, or is of another runner.
    """
    with_tokens = server.access.accounts is not None
    region = leases.region_of(caller, None, with_tokens=True) if with_tokens else None
    row = leases.report(unit, caller, region, body)
    return Reported(result_id=row.id, status=row.status)


@router.post("/heartbeat", dependencies=[OPERATOR], responses={403: {}})
@spends("probes")
def renew_leases(unit: UnitOfWork, caller: Caller, server: Server, body: Heartbeat) -> HeartbeatOut:
    """Renew the leases of runs that still run. Those in `ended` are over: their check was deleted,
    or the server has given them up."""
    with_tokens = server.access.accounts is not None
    leases.region_of(caller, body.region, with_tokens=with_tokens)
    return HeartbeatOut(ended=leases.renew(unit, caller, body.leases))
