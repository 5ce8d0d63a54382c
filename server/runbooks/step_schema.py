"""Request and response models of the steps of a runbook."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from novaql.server.http.shapes import Body, Duration, Name, Target

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Operator = Literal[">", ">=", "<", "<=", "==", "!="]
ParameterName = Annotated[str, Field(max_length=64, pattern="^[a-z][a-z0-9_]*$")]
HeaderName = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
Template = Annotated[str, Field(max_length=4096)]
UserId = Annotated[str, Field(min_length=1, max_length=64)]


class StepBody(Body):
    """What all steps have."""

    name: Name
    timeout: Duration | None = Field(
        None, description="at most 30m, approvals and waits 30d; absent: `runbook_step_timeout_s`"
    )
    on_failure: Literal["stop", "continue"] = "stop"
    idempotent: bool = Field(
        False, description="it may run again if the server ends while it runs, or for a retry"
    )
    retries: int = Field(0, ge=0, le=10, description="further attempts after a failure")
    retry_wait: Duration | None = Field(None, description="the pause before each; absent: 5s")


class HttpStep(StepBody):
    """One HTTP request. It follows no redirect. `${name}` is allowed in path and query of the URL,
    in values of headers, and in texts in `json`."""

    type: Literal["http"]
    method: Method = "GET"
    url: Target
    headers: Annotated[dict[HeaderName, Template], Field(max_length=30)] = Field(
        default_factory=dict
    )
    json_: Any = Field(None, alias="json", description="the body, as JSON")
    body: Annotated[str, Field(max_length=64 << 10)] | None = Field(
        None, description="the body, as it is; without references to parameters"
    )
    expect_status: Annotated[
        list[Annotated[int, Field(ge=100, le=599)]], Field(min_length=1, max_length=50)
    ] = Field(default_factory=lambda: list(range(200, 207)))


class QueryStep(StepBody):
    """A condition: the query has a value, or values that compare to a threshold. `${name}` is
    inserted so that no value changes the structure of the query."""

    type: Literal["query"]
    expr: Annotated[str, Field(min_length=1, max_length=16 << 10)]
    op: Operator | None = Field(None, description="absent: any value fulfils the condition")
    threshold: float | None = None
    match: Literal["any", "all"] = Field("any", description="how many of the values have to")


class WaitStep(StepBody):
    """A pause."""

    type: Literal["wait"]
    duration: Duration


class NotifyStep(StepBody):
    """A message to a notification channel. The step ends when the message is queued."""

    type: Literal["notify"]
    channel: Annotated[str, Field(min_length=1, max_length=100)]
    message: Template


class ApprovalStep(StepBody):
    """A pause until users approve. The requester of the run never can."""

    type: Literal["approval"]
    message: Template = ""
    approvals: int = Field(1, ge=1, le=10)
    role: Literal["operator", "admin"] = "operator"
    users: Annotated[list[UserId], Field(max_length=50)] = Field(
        default_factory=list, description="users who can; empty: all with the role"
    )


class ScriptStep(StepBody):
    """A program that the server's configuration names. Its parameters are arguments that the
    executor validates; no shell reads them."""

    type: Literal["script"]
    executor: Annotated[str, Field(min_length=1, max_length=64)]
    parameters: Annotated[dict[ParameterName, Template], Field(max_length=50)] = Field(
        default_factory=dict
    )


Step = Annotated[
    HttpStep | QueryStep | WaitStep | NotifyStep | ApprovalStep | ScriptStep,
    Field(discriminator="type"),
]
