"""The order in which transactions of runs lock rows. With another order, two of them may wait for
each other in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Select, Table, event

from tests.support.servers.runbook_rig import WAIT, RunbookRig


def locked_by(rig: RunbookRig, act: Callable[[], Any]) -> list[list[str]]:
    """Return the tables whose rows each transaction locks, in order. SQLite locks none of them, but
    its transactions run the same statements."""
    found: list[list[str]] = [[]]
    engine = rig.server.context.database.engine

    def note(*arguments: Any) -> None:
        statement = getattr(arguments[4].compiled, "statement", None)
        if isinstance(statement, Select) and statement._for_update_arg is not None:
            (table,) = statement.get_final_froms()
            assert isinstance(table, Table)
            found[-1].append(table.name)

    def committed(_: Connection) -> None:
        found.append([])

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", committed)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", note)
        event.remove(engine, "commit", committed)
    return found


def test_the_agent_of_a_run_is_locked_before_its_incident(rig: RunbookRig) -> None:
    rig.post("/v1/services", {"name": "api", "owner": "o", "tier": "t"})
    body = {"title": "errors", "severity": "sev2", "services": ["api"]}
    incident = rig.post("/v1/incidents", body)["id"]
    agent = rig.runner(policy={"auto_approve_from": 0.0})
    runbook = rig.runbook(WAIT)

    def run() -> None:
        rig.run(runbook, agent_id=agent, incident_id=incident)
        rig.step(seconds=30)

    both = [tables for tables in locked_by(rig, run) if {"agents", "incidents"} <= set(tables)]
    assert len(both) == 3  # the request, the begin and the end
    for tables in both:
        assert tables.index("agents") < tables.index("incidents")


def test_an_edit_locks_the_jobs_of_all_actions_before_an_agent(rig: RunbookRig) -> None:
    agent, runbook = rig.runner(), rig.runbook(WAIT)
    for _ in range(2):
        rig.run(runbook, agent_id=agent)

    def edit() -> None:
        rig.runbook(WAIT, id=runbook["id"], version=1, status=200)

    (tables,) = [tables for tables in locked_by(rig, edit) if "agents" in tables]
    # Those of both runs, and of their actions.
    assert tables[: tables.index("agents")].count("jobs") == 4
