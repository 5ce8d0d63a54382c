"""Request and response models of synthetic checks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Duration,
    Listed,
    Name,
    PathName,
    PolicyId,
    ResponseModel,
    Timestamp,
    example,
)
from novaql.server.probes.result import AssertionResult, StepResult
from novaql.server.probes.spec import (
    Assertion,
    Headers,
    Kind,
    Method,
    Secrets,
)

StateName = Literal["unknown", "up", "degraded", "down"]
StatusName = Literal[
    "queued", "running", "success", "failure", "blocked", "runner_lost", "cancelled"
]
TriggerName = Literal["scheduled", "manual"]
Regions = Annotated[list[PathName], Field(min_length=1, max_length=10)]
Times = Annotated[int, Field(ge=1, le=100)]
Severity = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9_-]+$")]


class CreateSynthetic(Body):
    """A check to create. Texts that are sent may contain `{{NAME}}` for one of its secrets."""

    model_config = example(
        {
            "name": "shop front",
            "type": "http",
            "target": "https://192.0.43.8/health",
            "interval": "1m",
            "timeout": "10s",
            "assertions": [{"source": "status", "op": "equals", "value": 200}],
        }
    )

    name: Name
    type: Kind
    target: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="the URL of an http or browser check, `HOST:PORT` of a tcp check"
    )
    regions: Regions | None = Field(
        None, description="names of runners; absent: the server's own (`probe_region`)"
    )
    interval: Duration
    timeout: Duration | None = Field(
        None,
        description="of one attempt; absent: 10s, of a browser check 30s (5s at least), which "
        "includes the start of the browser",
    )
    retries: int = Field(0, ge=0, le=3)
    method: Method | None = Field(None, description="http; absent: GET")
    headers: Headers | None = Field(None, description="http")
    body: Annotated[str, Field(max_length=65_536)] | None = Field(None, description="http")
    follow_redirects: bool | None = Field(None, description="http; absent: true")
    tls: bool | None = Field(None, description="tcp; absent: false")
    send: Annotated[str, Field(max_length=65_536)] | None = Field(None, description="tcp")
    expect: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        None, description="tcp: a regular expression (RE2) that the answer has to match"
    )
    steps: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100)] | None = Field(
        None, description="browser: a list of steps, each with an `action`"
    )
    assertions: Annotated[list[Assertion], Field(max_length=50)] = Field(default_factory=list)
    secrets: Secrets = Field(
        default_factory=dict, description="write-only: no answer contains them"
    )
    min_failing_regions: int = Field(1, ge=1, le=10)
    failure_threshold: Times = Field(2, description="failures in a row, for a region to fail")
    success_threshold: Times = Field(2, description="successes in a row, for it to recover")
    severity: Severity = Field("critical", description="label of the alert")
    service: PathName | None = None
    escalation_policy_id: PolicyId | None = Field(
        None, description="pages for the incident of the alert"
    )


class RegionOut(ResponseModel):
    """A check in one region."""

    region: str
    failing: bool
    next_at: Timestamp
    last_status: StatusName | None
    last_at: Timestamp | None
    last_duration_ms: float | None
    last_failure_reason: str | None
    running: bool


class LastResult(ResponseModel):
    """The newest result of a check."""

    id: str
    region: str
    status: StatusName
    failure_reason: str | None
    duration_ms: float | None
    completed_at: Timestamp


class UptimeNumbers(ResponseModel):
    """Numbers of runs. Only completed runs count into `uptime`."""

    uptime: float | None = Field(description="successful / completed; null without completed runs")
    successful: int
    completed: int
    excluded: dict[str, int] = Field(description="`blocked`, `runner_lost`, `cancelled`")


class SyntheticOut(ResponseModel):
    """A check, without its secrets."""

    id: str
    name: str
    type: Kind
    target: str
    regions: list[str]
    interval: Duration
    timeout: Duration
    retries: int
    method: Method | None
    headers: dict[str, str] | None
    body: str | None
    follow_redirects: bool | None
    tls: bool | None
    send: str | None
    expect: str | None
    steps: list[dict[str, Any]] | None
    assertions: list[Assertion]
    secret_names: list[str]
    min_failing_regions: int
    failure_threshold: int
    success_threshold: int
    severity: str
    service: str | None
    escalation_policy_id: str | None
    state: StateName
    state_since: Timestamp
    status: list[RegionOut]
    last_result: LastResult | None
    uptime_24h: UptimeNumbers = Field(
        description="of the scheduled runs since the beginning of the hour that was 24 hours ago"
    )
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class SyntheticsOut(Listed[SyntheticOut]):
    """A page of checks."""


class SyntheticQuery(PageQuery):
    """Filters of the list."""

    type: Kind | None = None
    state: StateName | None = None
    service: PathName | None = None


class RunSynthetic(Body):
    """A run outside of the schedule."""

    model_config = example({})

    regions: Regions | None = Field(None, description="absent: all regions of the check")


class RunStarted(ResponseModel):
    """A run that is queued in each of its regions."""

    run_id: str
    status: Literal["queued"]
    regions: list[str]


class ResultQuery(PageQuery):
    """Filters of results."""

    region: PathName | None = None
    status: StatusName | None = None
    trigger: TriggerName | None = None
    run_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class ScreenshotOut(ResponseModel):
    """A picture of a page. The URL needs no token until it expires."""

    name: str
    url: str
    expires_at: Timestamp


class ResultOut(ResponseModel):
    """A run in one region."""

    id: str
    run_id: str
    synthetic_id: str
    region: str
    trigger: TriggerName
    status: StatusName
    failure_reason: str | None
    detail: str
    duration_ms: float | None
    attempts: int | None
    phases_ms: dict[str, float]
    address: str | None
    http_status: int | None
    redirects: int | None
    tls_version: str | None
    certificate_expires_at: Timestamp | None
    assertions: list[AssertionResult]
    steps: list[StepResult]
    screenshots: list[ScreenshotOut]
    started_at: Timestamp | None
    completed_at: Timestamp | None
    created_at: Timestamp


class ResultsOut(Listed[ResultOut]):
    """A page of results."""


class UptimeQuery(Body):
    """The window of an uptime."""

    from_: Timestamp | None = Field(None, alias="from", description="absent: 24 hours before `to`")
    to: Timestamp | None = Field(None, description="absent: now")
    region: PathName | None = None
    include_manual: Literal["true", "false"] = Field("false", description="count manual runs, too")


class RegionUptime(UptimeNumbers):
    """The uptime in one region."""

    region: str


class UptimeOut(UptimeNumbers):
    """The uptime of a window.

    The window is cut to the hours whose numbers remain and, where results are deleted already, to
    whole hours: `from` and `to` are its exact bounds.
    """

    from_: Timestamp = Field(alias="from")
    to: Timestamp
    regions: list[RegionUptime]


class ScreenshotQuery(Body):
    """The parameters of the URL of a screenshot. A changed one is a 403, whatever its syntax."""

    expires: Annotated[str, Field(description="ms since 1970")]
    signature: Annotated[str, Field(description="of the URL")]
