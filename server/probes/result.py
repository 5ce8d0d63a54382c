"""The outcome of a run, in the form that a runner reports it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from pydantic import Field

from novaql.server.probes.masking import masked
from novaql.server.probes.spec import Strict

Reason = Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
Detail = Annotated[str, Field(max_length=500)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Phase = Literal["resolve", "connect", "tls", "processing", "transfer"]
PHASES: tuple[Phase, ...] = get_args(Phase)
MOST_SCREENSHOTS = 10
_BASE64 = r"^[A-Za-z0-9+/]*={0,2}$"


class AssertionResult(Strict):
    """Whether an assertion holds."""

    source: Annotated[str, Field(max_length=32)]
    ok: bool
    detail: Detail = ""


class StepResult(Strict):
    """One step of a browser flow."""

    action: Annotated[str, Field(max_length=32)]
    ok: bool
    duration_s: Seconds = 0.0
    detail: Detail = ""


class Screenshot(Strict):
    """A picture of a page, as PNG in base64."""

    name: Annotated[str, Field(max_length=100)]
    png: Annotated[str, Field(max_length=1_000_000, pattern=_BASE64)]


class Outcome(Strict):
    """The outcome of a run.

    status     `blocked`: the egress rules do not allow the target; `unavailable`: the runner cannot
               run the check, for reasons other than the target
    duration_s of the last attempt; `phases` are its parts
    """

    status: Literal["success", "failure", "blocked", "unavailable"]
    failure_reason: Reason | None = None
    detail: Detail = ""
    duration_s: Seconds = 0.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 1
    address: Annotated[str, Field(max_length=64)] | None = None
    phases: Annotated[dict[str, Seconds], Field(max_length=10)] = Field(default_factory=dict)
    http_status: Annotated[int, Field(ge=100, le=999)] | None = None
    http_version: Annotated[str, Field(max_length=16)] | None = None
    redirects: Annotated[int, Field(ge=0, le=100)] = 0
    body_bytes: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    tls_version: Annotated[str, Field(pattern=r"^(TLS|SSL)v[0-9.]{1,4}$")] | None = None
    certificate_expires_s: Annotated[float, Field(ge=0, le=253_402_300_799)] | None = None
    assertions: Annotated[list[AssertionResult], Field(max_length=100)] = Field(
        default_factory=list
    )
    steps: Annotated[list[StepResult], Field(max_length=200)] = Field(default_factory=list)
    screenshots: Annotated[list[Screenshot], Field(max_length=MOST_SCREENSHOTS)] = Field(
        default_factory=list
    )


def without_secrets(outcome: Outcome, secrets: Iterable[str]) -> Outcome:
    """Return an outcome with masked secrets in its details, which contain texts of the target.

    Other fields contain none. A short secret can occur in them by accident, as in a picture.
    """
    known = list(secrets)

    def of(each: AssertionResult | StepResult) -> dict[str, str]:
        return {"detail": masked(each.detail, known)}

    return outcome.model_copy(
        update={
            "detail": masked(outcome.detail, known),
            "assertions": [one.model_copy(update=of(one)) for one in outcome.assertions],
            "steps": [one.model_copy(update=of(one)) for one in outcome.steps],
        }
    )


def unavailable(detail: str, **facts: object) -> Outcome:
    """Return the outcome of a run that its runner cannot execute."""
    return Outcome.model_validate(
        {
            **facts,
            "status": "unavailable",
            "failure_reason": "runner_unavailable",
            "detail": detail[:500],
        }
    )


BLOCKED = "the target is not a public address"
"""The text of every blocked run: it does not depend on the target."""


def blocked(**facts: object) -> Outcome:
    """Return the outcome of a target that the egress rules do not allow."""
    return Outcome.model_validate(
        {**facts, "status": "blocked", "failure_reason": "target_not_allowed", "detail": BLOCKED}
    )
