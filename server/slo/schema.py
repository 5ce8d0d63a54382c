"""Request and response models of objectives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Listed,
    PathName,
    PolicyId,
    ResponseModel,
    Timestamp,
    example,
)

Selector = Annotated[str, Field(min_length=1, max_length=10_000)]
StatusName = Literal["ok", "at_risk", "breached", "no_data"]


class RatioBody(Body):
    """Good or bad events among all events: selectors of counters."""

    type: Literal["ratio"]
    good: Selector | None = None
    bad: Selector | None = None
    total: Selector


class LatencyBody(Body):
    """Observations up to a threshold."""

    type: Literal["latency"]
    histogram: Selector = Field(description="without `_bucket`; classic or native")
    threshold: float = Field(gt=0, description="seconds")


class ThresholdBody(Body):
    """Minutes in which the comparison of an expression with a threshold holds."""

    type: Literal["threshold"]
    expr: Selector
    op: Literal["<", "<=", ">", ">=", "==", "!="]
    threshold: float


IndicatorBody = Annotated[RatioBody | LatencyBody | ThresholdBody, Field(discriminator="type")]


class CalendarBody(Body):
    """A calendar period in a time zone."""

    period: Literal["day", "week", "month", "quarter", "year"]
    zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"


RollingText = Annotated[
    str,
    Field(
        min_length=2,
        max_length=20,
        json_schema_extra={"pattern": "^([0-9]{1,4}w)?([0-9]{1,4}d)?([0-9]{1,4}h)?([0-9]{1,4}m)?$"},
    ),
]


class SetSlo(Body):
    """An objective. The name of an existing objective changes it, from its `version`."""

    model_config = example(
        {
            "objective": "0.999",
            "indicator": {
                "type": "ratio",
                "bad": 'http_requests_total{code=~"5.."}',
                "total": "http_requests_total",
            },
        }
    )

    name: PathName = "availability"
    objective: Annotated[str, Field(max_length=14)] = Field(
        description="decimal text above 0 and below 1, of at most 12 digits",
        examples=["0.999"],
        json_schema_extra={"pattern": r"^0?\.[0-9]{1,12}$"},
    )
    window: RollingText | CalendarBody = Field(
        "30d", description="rolling, as `30d`, from 1h to 366d; or a calendar period"
    )
    indicator: IndicatorBody
    min_events: Annotated[int, Field(ge=0, le=10**9)] = 0
    escalation_policy_id: PolicyId | None = Field(
        None,
        description="with it, burn alerts of the severity `page` open an incident, which this "
        "policy escalates; an unknown id is a 422",
    )
    version: int | None = Field(None, ge=1)


class ImportSlos(Body):
    """OpenSLO documents in YAML, separated by `---`."""

    model_config = example({"document": "apiVersion: openslo/v1\nkind: SLO\n"})

    document: Annotated[str, Field(min_length=1, max_length=500_000)]


class SloQuery(PageQuery):
    """Filters of the list."""

    status: StatusName | None = Field(None, description="of the objectives that are listed")
    include_unconfigured: bool = Field(
        False, description="services without an objective, too, as `not_configured`"
    )


class OneServiceQuery(Body):
    """Selects an objective of the service."""

    slo: str | None = Field(None, min_length=1, max_length=200, description="its name")


class BudgetOut(ResponseModel):
    """The error budget, in shares."""

    allowed: float = Field(description="share of events that may be bad")
    allowed_events: float
    consumed: float = Field(description="1 is all of it; may be more")
    remaining: float = Field(description="negative when overspent")
    remaining_clamped: float


class SloWindowOut(ResponseModel):
    """The current window."""

    text: str
    starts_at: Timestamp
    ends_at: Timestamp


class BurnAlertOut(ResponseModel):
    """The state of the burn alerts of one severity."""

    severity: Literal["page", "ticket"]
    firing: bool
    reason: str


class SloOut(ResponseModel):
    """An objective, with its posture."""

    id: str
    service: str
    name: str
    objective: str
    window: SloWindowOut
    indicator: dict[str, Any]
    min_events: int
    escalation_policy_id: str | None
    status: StatusName
    attainment: float | None
    error_budget: BudgetOut | None
    burn_rates: dict[str, float | None]
    time_to_exhaustion: float | None = Field(description="seconds; absent budget or none burning")
    coverage: float = Field(description="share of the window for which there are samples")
    events: float
    alerts: list[BurnAlertOut]
    warnings: list[str]
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class TermOut(ResponseModel):
    """A version of an objective, with its period of validity."""

    objective: str
    window: dict[str, Any]
    indicator: dict[str, Any]
    valid_from: Timestamp
    valid_until: Timestamp | None


class ServiceSlosOut(ResponseModel):
    """The objectives of a service."""

    service: str
    slos: list[SloOut]


class ListedSlo(ResponseModel):
    """An objective in the list, or a service without objectives."""

    model_config = ConfigDict(extra="allow")

    service: str
    status: Literal["ok", "at_risk", "breached", "no_data", "not_configured"]

    @classmethod
    def of(cls, slo: SloOut) -> ListedSlo:
        """The list entry of an objective, with all of its fields."""
        return cls.model_validate(slo.model_dump(mode="json"))


class SlosOut(Listed[ListedSlo]):
    """A page of objectives."""


class HistoryOut(ResponseModel):
    """The versions of an objective, newest first."""

    service: str
    name: str
    terms: list[TermOut]


class ImportedSlosOut(ResponseModel):
    """The result of an import."""

    created: list[str]
    updated: list[str]
    skipped: list[dict[str, str]] = Field(
        description="`name` and `reason` of each definition that was not imported"
    )
    notes: list[dict[str, str]] = Field(
        description="`name` and `note` of each definition that was interpreted"
    )
