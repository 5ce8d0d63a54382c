"""Script steps, with an executor in place of the server's own: which values it gets, and when it
ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import update

from novaql import ArgumentError
from novaql.server.db.tables import Job
from novaql.server.executors import Executors
from novaql.server.runbooks.rows import JOB
from tests.support.servers.agent_rig import code_of
from tests.support.servers.runbook_rig import RunbookRig, statuses

STEP = {
    "name": "restart",
    "type": "script",
    "executor": "restart",
    "parameters": {"service": "${service}", "mode": "fast"},
}
PARAMETERS = [{"name": "service"}]


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    status: str = "succeeded"
    exit_code: int | None = 0
    output: str = "restarted"
    truncated: bool = False
    detail: str = "exit status 0"


@dataclass
class Program:
    """An executor that records what it gets."""

    ended: Ended = field(default_factory=Ended)
    got: list[Mapping[str, str]] = field(default_factory=list)
    wait: bool = False
    name: str = "restart"
    unavailable: str = ""

    def allows(self, tenant_name: str) -> bool:
        return tenant_name == "default"

    def check(self, parameters: Mapping[str, str]) -> None:
        if "/" in parameters["service"]:
            raise ArgumentError("service", "must be a name")

    def run(
        self, parameters: Mapping[str, str], *, timeout_s: float, cancelled: Callable[[], bool]
    ) -> Ended:
        self.check(parameters)
        self.got.append(dict(parameters))
        end = monotonic() + min(timeout_s, 20)
        while self.wait and monotonic() < end:
            if cancelled():
                return Ended("cancelled", None, "half", False, "it was cancelled")
            sleep(0.02)
        return self.ended


@pytest.fixture
def program(rig: RunbookRig) -> Program:
    """The only executor of the server."""
    made = Program()
    have(rig, {"restart": made})
    return made


def have(rig: RunbookRig, programs: Mapping[str, Any]) -> None:
    object.__setattr__(rig.server.context, "executors", Executors(programs, "none"))
    rig.server.context.views.clear()


def test_an_executor_gets_values_as_arguments(rig: RunbookRig, program: Program) -> None:
    runbook = rig.runbook(STEP, parameters=PARAMETERS)
    run = rig.run(runbook, parameters={"service": "api; rm -rf $HOME"})
    assert program.got == [{"service": "api; rm -rf $HOME", "mode": "fast"}]
    (step,) = run["steps"]
    assert (run["status"], step["output"], step["exit_code"]) == ("succeeded", "restarted", 0)


def test_an_executor_rejects_values_before_the_run(rig: RunbookRig, program: Program) -> None:
    runbook = rig.runbook(STEP, parameters=PARAMETERS)
    path = f"/v1/runbooks/{runbook['id']}/run"
    answer = rig.ask("POST", path, {"parameters": {"service": "../etc"}})
    assert code_of(answer) == (422, "invalid_argument")
    fixed = {**STEP, "parameters": {"service": "a/b"}}
    answer = rig.ask("POST", "/v1/runbooks", {"name": "x", "steps": [fixed]})
    assert code_of(answer) == (422, "invalid_argument")
    assert program.got == []


@pytest.mark.parametrize("status", ["failed", "timed_out", "refused"])
def test_the_outcome_is_that_of_the_executor(
    rig: RunbookRig, program: Program, status: str
) -> None:
    program.ended = Ended(status, 3, "no", True, "why")
    run = rig.run(rig.runbook(STEP, parameters=PARAMETERS), parameters={"service": "api"})
    assert statuses(run) == [status]
    assert run["status"] == ("timed_out" if status == "timed_out" else "failed")
    assert run["steps"][0]["truncated"] is True


def test_an_executor_that_was_removed_is_refused(rig: RunbookRig, program: Program) -> None:
    run_id = rig.start(rig.runbook(STEP, parameters=PARAMETERS), parameters={"service": "api"})
    have(rig, {})
    rig.server.run_jobs()
    assert statuses(rig.look(run_id)) == ["refused"]
    assert program.got == []


def cancelled_by(rig: RunbookRig, program: Program, act: Callable[[str], Any]) -> Any:
    program.wait = True
    run_id = rig.start(rig.runbook(STEP, parameters=PARAMETERS), parameters={"service": "api"})
    working = threading.Thread(target=rig.server.run_jobs)
    working.start()
    while not program.got:
        sleep(0.01)
    act(run_id)
    working.join(timeout=20)
    return rig.look(run_id)


@pytest.mark.slow
def test_a_program_ends_when_its_run_is_cancelled(rig: RunbookRig, program: Program) -> None:
    run = cancelled_by(rig, program, lambda key: rig.post(f"/v1/runs/{key}/cancel", None, 200))
    assert (run["status"], statuses(run)) == ("cancelled", ["cancelled"])
    assert run["steps"][0]["output"] == "half"


@pytest.mark.slow
def test_a_program_ends_when_runbooks_are_stopped(rig: RunbookRig, program: Program) -> None:
    stop = {"reason": "no more"}
    run = cancelled_by(rig, program, lambda _: rig.post("/v1/runbooks/stop", stop, 200))
    assert (run["status"], statuses(run)) == ("cancelled", ["cancelled"])


@pytest.mark.slow
def test_a_program_ends_when_another_server_has_its_job(rig: RunbookRig, program: Program) -> None:
    """The other server decides what follows: this one stores nothing."""

    def take_over(_: str) -> None:
        tenant = rig.server.context.access.default_principal.tenant_id
        with rig.server.context.database.write(tenant) as session:
            session.execute(update(Job).where(Job.kind == JOB).values(lease="of another"))

    began = monotonic()
    run = cancelled_by(rig, program, take_over)
    assert monotonic() - began < 15
    assert (run["status"], statuses(run)) == ("running", ["running"])
