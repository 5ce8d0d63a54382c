"""Models of the requests of runners in other processes, and of the answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from novaql.server.http.shapes import Body, PathName, ResponseModel, example
from novaql.server.probes.result import Outcome
from novaql.server.probes.spec import Kind

Lease = Annotated[str, Field(min_length=1, max_length=200)]
_REGION = "the runner's region; absent: that of its token"


class ClaimRuns(Body):
    """A request for runs that are due."""

    model_config = example({"most": 4, "capabilities": ["http", "tcp"]})

    region: PathName | None = Field(None, description=_REGION)
    most: int = Field(1, ge=1, le=20, description="free places of the runner")
    capabilities: Annotated[list[Kind], Field(min_length=1, max_length=3)]
    version: Annotated[str, Field(max_length=64)] = ""


class ClaimedRun(ResponseModel):
    """A leased run.

    `lease` is a secret that reports it. `spec` is what to do, with the secrets of the check.
    """

    lease: str
    result_id: str
    synthetic_id: str
    spec: dict[str, Any]


class ClaimedRuns(ResponseModel):
    """The runs of a runner, and its timers."""

    region: str
    runs: list[ClaimedRun]
    poll_after_s: float
    heartbeat_every_s: float


class ReportRun(Body):
    """The outcome of a leased run."""

    model_config = example({"lease": "lease_none", "outcome": {"status": "success"}})

    lease: Lease
    outcome: Outcome


class Reported(ResponseModel):
    """The result as recorded: the time is the server's."""

    result_id: str
    status: str


class Heartbeat(Body):
    """The leases that a runner still works on."""

    model_config = example({"leases": []})

    region: PathName | None = Field(None, description=_REGION)
    leases: Annotated[list[Lease], Field(max_length=200)]


class HeartbeatOut(ResponseModel):
    """The leases that have ended: the runner stops these runs."""

    ended: list[str]
