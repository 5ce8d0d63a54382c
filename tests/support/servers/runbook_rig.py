"""A server with runbooks: users who request and approve, and an agent that executes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.servers.agent_rig import AgentRig

WAIT = {"name": "settle", "type": "wait", "duration": "30s"}
APPROVAL = {"name": "sure?", "type": "approval", "message": "go on?"}


def http(url: str, **more: Any) -> dict[str, Any]:
    """A step that posts to a URL."""
    return {"name": "call", "type": "http", "method": "POST", "url": url, **more}


def query(expr: str, **more: Any) -> dict[str, Any]:
    """A step with a condition."""
    return {"name": "check", "type": "query", "expr": expr, **more}


@dataclass
class RunbookRig(AgentRig):
    """`ada` is an administrator and owns the agent; `bob`, `eve` and `joe` are operators."""

    def runbook(self, *steps: Any, name: str = "rb", status: int = 201, **more: Any) -> Any:
        """Save a runbook; the answer."""
        return self.post("/v1/runbooks", {"name": name, "steps": list(steps), **more}, status)

    def start(self, runbook: Any, *, by: str = "ada", status: int = 202, **body: Any) -> str:
        """Request a run; its id."""
        answer = self.post(f"/v1/runbooks/{runbook['id']}/run", body, status, by=by)
        found: str = answer["run_id"]
        return found

    def run(self, runbook: Any, *, by: str = "ada", **body: Any) -> Any:
        """Request a run, and run jobs until none is due; return the run."""
        run_id = self.start(runbook, by=by, **body)
        self.server.run_jobs()
        return self.look(run_id)

    def look(self, run_id: str) -> Any:
        return self.get(f"/v1/runs/{run_id}")

    def decide_run(
        self, run: Any, decision: str = "approve", *, by: str = "bob", **more: Any
    ) -> httpx.Response:
        body = {"decision": decision, "content_hash": run["content_hash"], **more}
        return self.ask("POST", f"/v1/runs/{run['id']}/decision", body, by=by)

    def runner(self, **more: Any) -> str:
        """Register an agent that may run runbooks; its id."""
        return self.agent(**{"capabilities": ["runbook.*"], **more})

    def action_of(self, run: Any) -> Any:
        return self.get(f"/v1/agents/{run['agent_id']}/actions/{run['action_id']}")


def statuses(run: Any) -> list[str]:
    """The states of the steps of a run."""
    return [step["status"] for step in run["steps"]]
