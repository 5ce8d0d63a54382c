"""/v1/runbooks."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response
from starlette.requests import Request

from novaql.server.agents import actions
from novaql.server.agents.checks import OutsideLimits
from novaql.server.errors import Forbidden
from novaql.server.http.dependencies import (
    ADMIN,
    OPERATOR,
    READ_ONLY,
    Caller,
    IfMatch,
    Pages,
    ResourceId,
    Server,
    UnitOfWork,
    if_match,
)
from novaql.server.http.preparing import checked
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.http.transaction import ExternalCall, denied, rejected_after_commit
from novaql.server.runbooks import deciding, rows, service, starting, stopping
from novaql.server.runbooks.checks import check_runbook
from novaql.server.runbooks.executor_schema import ExecutorsOut
from novaql.server.runbooks.run_schema import DecideRun, RunOut, RunQuery, RunsOut, RunSummaryOut
from novaql.server.runbooks.schema import (
    RunbookOut,
    RunbookQuery,
    RunbooksOut,
    RunRunbook,
    SaveRunbook,
    StartedOut,
    StopRunbooks,
    SwitchOut,
)
from novaql.server.runbooks.tables import Runbook, RunbookRun

router = api_router("/v1/runbooks", "runbooks")
runs_router = api_router("/v1/runs", "runbooks")


async def checked_runbook(request: Request, _seen: IfMatch, body: SaveRunbook) -> None:
    """Check the steps of a runbook."""
    await checked(request, body, check_runbook)


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_runbooks(
    unit: UnitOfWork, pages: Pages, query: Annotated[RunbookQuery, Query()]
) -> RunbooksOut:
    """The runbooks, oldest first. `service` selects those of a service."""
    return RunbooksOut.of(service.find(unit, pages, query), RunbookOut.model_validate)


@router.post(
    "",
    status_code=201,
    dependencies=[OPERATOR, Depends(if_match), Depends(checked_runbook)],
    responses={200: {"model": RunbookOut}, 404: {"description": "No runbook has the `id`"}},
)
@audited("runbook.create")
def save_runbook(
    unit: UnitOfWork, server: Server, body: SaveRunbook, seen: IfMatch, response: Response
) -> RunbookOut:
    """Create or replace a runbook.

    A body with an `id` replaces that runbook, from its `version` (or If-Match). Runs that wait for
    approval require it again: an approval of their earlier content is a 409 `action_changed`. 422
    for a query that does not parse, a target that is not public, and an unknown service, channel,
    user or executor.
    """
    row, is_new = service.save(unit, body, seen)
    if is_new:
        response.headers["Location"] = f"/v1/runbooks/{row.id}"
    else:
        starting.renew_pending(unit, server, row)
        response.status_code = 200
    return RunbookOut.model_validate(row)


@router.get("/stop", dependencies=[READ_ONLY])
@cached(by="rows")
def get_runbook_switch(unit: UnitOfWork) -> SwitchOut:
    """Whether an administrator has stopped all runbooks."""
    return service.switch_shown(unit)


@router.post("/stop", dependencies=[ADMIN])
@audited("runbook_switch.stop")
def stop_runbooks(unit: UnitOfWork, body: StopRunbooks) -> SwitchOut:
    """Stop all runbooks of the tenant: no run begins, and those that run are cancelled before
    their next step. 409 if they are stopped already."""
    stopping.stop(unit, body.reason)
    return service.switch_shown(unit)


@router.post("/start", dependencies=[ADMIN])
@audited("runbook_switch.start")
def start_runbooks(unit: UnitOfWork) -> SwitchOut:
    """Let runs begin again after a stop. 409 if runbooks are not stopped."""
    service.set_switch(unit, stopped=False, reason=None)
    return service.switch_shown(unit)


@router.get("/executors", dependencies=[OPERATOR])
async def list_runbook_executors(server: Server) -> ExecutorsOut:
    """The programs that script steps can name: those of the server's configuration that are
    granted to the tenant, with their parameters, and how the server isolates them."""
    return ExecutorsOut.of(server.tenant_executors)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_runbook(unit: UnitOfWork, id: ResourceId) -> RunbookOut:
    """One runbook."""
    return RunbookOut.model_validate(unit.get(Runbook, id, "runbook"))


@router.delete("/{id}", status_code=204, dependencies=[OPERATOR], responses={409: {}})
@audited("runbook.delete")
def delete_runbook(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete a runbook. Its runs remain. 409 while one of them has not ended."""
    service.remove(unit, id)


@router.post(
    "/{id}/run",
    status_code=202,
    dependencies=[OPERATOR],
    response_model=StartedOut,
    responses={403: {}},
)
@audited("runbook_run.request")
def run_runbook(
    unit: UnitOfWork, server: Server, id: ResourceId, body: RunRunbook, response: Response
) -> StartedOut | ExternalCall[None, StartedOut]:
    """Run a runbook, within its guardrails.

    Without `agent_id` the runbook's `approval_policy` applies. With it, the run is an action of
    the agent: its capabilities, scope, trust score and policy decide, and its ledger records the
    steps. Beyond them the answer is a 403, and a violation. 409 in a freeze window, after too many
    runs in an hour, and while runbooks are stopped.
    """
    try:
        run = starting.request(unit, server, id, body)
    except OutsideLimits as refusal:
        if body.agent_id is not None and not body.dry_run:
            actions.violation(unit, body.agent_id, refusal, starting.KIND)
        else:
            unit.audit("runbook_run.request", ("runbook", id), outcome="denied")
        return rejected_after_commit(refusal)
    response.headers["Location"] = f"/v1/runs/{run.id}"
    return StartedOut.model_validate({"run_id": run.id, "status": run.status})


@router.get("/{id}/runs", dependencies=[READ_ONLY])
@cached(by="rows")
def list_runs_of_runbook(
    unit: UnitOfWork, pages: Pages, id: ResourceId, query: Annotated[RunQuery, Query()]
) -> RunsOut:
    """The runs of a runbook, newest first: state, duration and operator."""
    return RunsOut.of(deciding.find(unit, pages, query, id), RunSummaryOut.of)


@runs_router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_runs(unit: UnitOfWork, pages: Pages, query: Annotated[RunQuery, Query()]) -> RunsOut:
    """The runs of all runbooks, newest first. `status=pending_approval` selects those that wait
    for approval, `status=waiting` also those whose approval step waits."""
    return RunsOut.of(deciding.find(unit, pages, query), RunSummaryOut.of)


@runs_router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_run(unit: UnitOfWork, id: ResourceId) -> RunOut:
    """One run: what it executes, with its hash, and its steps."""
    return rows.shown(unit, unit.get(RunbookRun, id, "run"))


@runs_router.post(
    "/{id}/decision", dependencies=[OPERATOR], response_model=RunOut, responses={403: {}}
)
@audited("runbook_run.decide")
def decide_run(
    unit: UnitOfWork, caller: Caller, id: ResourceId, body: DecideRun
) -> RunOut | ExternalCall[None, RunOut]:
    """Approve or reject a run that waits for approval, or with `step` its approval step.

    The decision is about the content with `content_hash`: 409 `action_changed` if the run has
    other content by now. Its requester, and the owner of its agent, cannot approve it (403
    `self_approval`). The action of an agent is decided at the agent, not here.
    """
    try:
        run = deciding.decide(unit, id, caller.role, body)
    except Forbidden as refusal:
        return denied(unit, f"runbook_run.{body.decision}", ("runbook_run", id), refusal)
    return rows.shown(unit, run)


@runs_router.post("/{id}/cancel", dependencies=[OPERATOR])
@audited("runbook_run.cancel")
def cancel_run(unit: UnitOfWork, id: ResourceId) -> RunOut:
    """Cancel a run: one that waits ends now, scripts and HTTP requests are interrupted, other steps
    end first. 409 if it has ended."""
    return rows.shown(unit, deciding.cancel(unit, id))
