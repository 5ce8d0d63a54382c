"""Request and response models of rules."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from novaql.server.alert_model.shapes import Labels, ShortText
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Duration,
    Listed,
    Patch,
    PolicyId,
    ResponseModel,
    Timestamp,
    example,
)
from novaql.server.notifications.schema import DestinationOut

ChannelNames = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=50)
]
POLICY = "the escalation policy of incidents that the rule opens; an unknown id is a 422"
RuleType = Literal["alerting", "recording"]
NoData = Literal["ok", "alerting", "keep"]
OnError = Literal["keep", "alerting"]
EXPR = "the condition, PromQL or NovaQL: `up == 0`; of a recording rule what is written"


_RULE_NAME = (
    r"^[^\s\u0000-\u001f\u007f\u0085]"
    r"([^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f\u0085])?$"
)
RuleName = Annotated[
    str, Field(min_length=1, max_length=200, json_schema_extra={"pattern": _RULE_NAME})
]


class RuleBody(Body):
    """A rule. Labels and annotations are templates, as in Prometheus: `{{ $labels.instance }}`."""

    model_config = example(
        {
            "name": "InstanceDown",
            "expr": "up == 0",
            "for": "5m",
            "severity": "page",
            "annotations": {"summary": "{{ $labels.instance }} is down"},
        }
    )

    name: RuleName = Field(description="`alertname`, or the metric that a recording rule writes")
    type: RuleType = "alerting"
    expr: Annotated[str, Field(min_length=1, max_length=20_000)] = Field(description=EXPR)
    for_: Duration | None = Field(
        None, alias="for", description="how long it must hold before the alert fires"
    )
    keep_firing_for: Duration | None = Field(
        None, description="how long an alert continues to fire after its condition ends"
    )
    interval: Duration | None = Field(None, description="between evaluations, at least 1s")
    query_offset: Duration | None = Field(
        None, description="how far before the time of the evaluation the expression looks"
    )
    limit: int = Field(0, ge=0, le=1_000_000, description="most alerts or series; 0: no limit")
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)
    severity: ShortText | None = None
    service: ShortText | None = Field(None, description="a service of the catalog")
    no_data: NoData = Field("ok", description="when no selector of the expression finds a series")
    on_error: OnError = Field("keep", description="when the expression cannot be evaluated")
    channels: ChannelNames = Field(
        default_factory=list, description="in place of the routing tree's channels"
    )
    escalation_policy_id: PolicyId | None = Field(None, description=POLICY)
    auto_incident: bool = Field(
        False,
        description="alerts that are not muted when they begin to fire open an incident, one for "
        "each service; it resolves with the last of them",
    )
    paused: bool = Field(False, description="it is not evaluated: nothing is raised or written")


class RulePatch(Patch):
    """Changes to a rule, made from its `version`. Omitted fields do not change; null removes an
    optional one."""

    model_config = example({"version": 1, "for": "10m"})

    removable: ClassVar[frozenset[str]] = frozenset(
        {"for_", "keep_firing_for", "interval", "query_offset", "severity", "service"}
        | {"escalation_policy_id"}
    )

    version: int | None = Field(None, ge=1, description="or If-Match")
    name: RuleName | None = None
    expr: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    for_: Duration | None = Field(None, alias="for")
    keep_firing_for: Duration | None = None
    interval: Duration | None = None
    query_offset: Duration | None = None
    limit: int | None = Field(None, ge=0, le=1_000_000)
    labels: Labels | None = None
    annotations: Labels | None = None
    severity: ShortText | None = None
    service: ShortText | None = Field(None, description="a service of the catalog")
    no_data: NoData | None = None
    on_error: OnError | None = None
    channels: ChannelNames | None = None
    escalation_policy_id: PolicyId | None = Field(None, description=POLICY)
    auto_incident: bool | None = None
    paused: bool | None = Field(
        None,
        description="true: its alerts resolve and its series end; false: evaluation restarts",
    )


class RuleQuery(PageQuery):
    """Filters of the list."""

    type: RuleType | None = Field(None, description="rules of this type")
    name: ShortText | None = Field(None, description="rules with this name")
    service: ShortText | None = Field(None, description="rules of this service")
    severity: ShortText | None = Field(None, description="rules with this severity")
    file: ShortText | None = Field(None, description="rules of this rule file")
    group: ShortText | None = Field(None, description="rules of the groups with this name")
    health: Literal["unknown", "ok", "err"] | None = Field(
        None, description="rules whose last evaluation had this result"
    )
    paused: bool | None = Field(None, description="true: paused rules; false: all others")


class ThresholdOut(ResponseModel):
    """A number in a comparison of the expression."""

    op: str
    value: float


class CountsOut(ResponseModel):
    """The number of alerts of the rule in each state."""

    pending: int
    firing: int


class RuleOut(ResponseModel):
    """A rule, with the result of its last evaluation."""

    id: str
    type: RuleType
    name: str
    expr: str
    for_: Duration = Field(alias="for")
    keep_firing_for: Duration
    interval: Duration
    query_offset: Duration | None
    limit: int
    labels: dict[str, str]
    annotations: dict[str, str]
    severity: str | None
    service: str | None
    no_data: NoData
    on_error: OnError
    channels: list[str]
    escalation_policy_id: str | None
    auto_incident: bool
    paused: bool
    file: str
    group: str
    managed: str | None = Field(description="the file or objective that manages the rule")
    thresholds: list[ThresholdOut]
    routing: list[DestinationOut] = Field(description="by the labels that the rule itself sets")
    state: Literal["unknown", "inactive", "pending", "firing"]
    alerts: CountsOut
    health: Literal["unknown", "ok", "err"]
    last_error: str | None
    last_evaluated_at: Timestamp | None
    evaluation_seconds: float
    series: int = Field(description="written by the last evaluation")
    missed_evaluations: int = Field(description="of its group, left out since there was no time")
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class RulesOut(Listed[RuleOut]):
    """A page of rules."""


_FILE = """groups:
  - name: node
    rules:
      - alert: InstanceDown
        expr: up == 0
        for: 5m
"""


class ImportRules(Body):
    """A Prometheus rule file. It replaces an earlier import with the same name."""

    model_config = example({"file": "node.yml", "document": _FILE})

    file: Annotated[
        str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    ] = Field(description="a name for it, as `node.yml`")
    document: Annotated[str, Field(min_length=1, max_length=900_000)] = Field(
        description="the YAML text"
    )


class ImportedRulesOut(ResponseModel):
    """The result of an import. Rules are named `group/rule`."""

    file: str
    groups: list[str]
    created: list[str]
    updated: list[str]
    unchanged: int
    deleted: list[str]
    warnings: list[str]


class ExportQuery(ResponseModel):
    """The rules to export."""

    model_config = ConfigDict(extra="forbid")

    file: ShortText | None = Field(None, description="absent: all rules")


class TriedRule(RuleBody):
    """An alerting rule. To test a recording rule, run its expression as a query."""

    type: Literal["alerting"] = "alerting"


class TestRule(Body):
    """A rule, and a past range to test it over. Nothing is stored, and no notification is sent."""

    rule: TriedRule
    start: Timestamp
    end: Timestamp


class TriedAlert(ResponseModel):
    """The transitions that an alert would have had."""

    labels: dict[str, str]
    annotations: dict[str, str]
    transitions: list[dict[str, Any]] = Field(description="`{at, state, value}`")
    firing_seconds: float
    fired: int = Field(description="how often it began to fire")


class TriedOut(ResponseModel):
    """The result of the test."""

    start: Timestamp
    end: Timestamp
    interval: Duration
    evaluations: int
    alerts: list[TriedAlert]
    total_alerts: int
    total_fired: int
    firing_at_end: int
    truncated: bool
    problem: str | None = Field(description="why it stopped before the end, if it did")
    warnings: list[str]
