"""Request and response models of services."""

from __future__ import annotations

import math
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Listed,
    Name,
    Patch,
    PathName,
    ResponseModel,
    Timestamp,
    example,
)

Expression = Annotated[str, Field(min_length=1, max_length=10_000)]
Tier = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9_-]+$")]


def _url(text: str) -> str:
    """Return the text if it is a valid URL. Raises `ValueError`."""
    try:
        named = urlsplit(text).hostname
    except ValueError:  # http://[::1 for example
        named = None
    if not named:
        raise ValueError("is no URL of a host")
    return text


class Link(Body):
    """A named URL."""

    title: Name
    url: Annotated[str, Field(max_length=2000, pattern=r"^https?://\S+$"), AfterValidator(_url)]


class SignalSettings(Body):
    """The expression and thresholds of one signal."""

    expr: Expression | None = None
    unit: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    degraded: float | None = Field(None, description="above this it is degraded")
    unhealthy: float | None = Field(None, description="above this it is unhealthy")


class Signals(Body):
    """Settings of the golden signals: an expression, or an expression with thresholds."""

    latency: Expression | SignalSettings | None = None
    traffic: Expression | SignalSettings | None = None
    errors: Expression | SignalSettings | None = None
    saturation: Expression | SignalSettings | None = None

    def settings(self) -> dict[str, dict[str, object]]:
        """The settings to store: name → given settings."""
        found: dict[str, dict[str, object]] = {}
        for name in type(self).model_fields:
            given = getattr(self, name)
            if isinstance(given, str):
                found[name] = {"expr": given}
            elif given is not None:
                found[name] = given.model_dump(exclude_none=True)
        return found


class RegisterService(Body):
    """A service, with its owner."""

    model_config = example(
        {"name": "checkout", "owner": "payments", "tier": "tier1", "depends_on": ["ledger"]}
    )

    name: PathName
    owner: Name
    tier: Tier
    description: Annotated[str, Field(max_length=10_000)] = ""
    links: Annotated[list[Link], Field(max_length=50)] = Field(default_factory=list)
    runbooks: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=50)] = Field(
        default_factory=list
    )
    depends_on: Annotated[list[PathName], Field(max_length=200)] = Field(default_factory=list)
    signals: Signals = Field(default_factory=Signals)


class ChangeService(Patch):
    """Changes to a service, made from its `version`."""

    model_config = example({"version": 1, "owner": "checkout-team"})

    version: int | None = Field(None, ge=1)
    owner: Name | None = None
    tier: Tier | None = None
    description: Annotated[str, Field(max_length=10_000)] | None = None
    links: Annotated[list[Link], Field(max_length=50)] | None = None
    runbooks: (
        Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=50)] | None
    ) = None
    depends_on: Annotated[list[PathName], Field(max_length=200)] | None = None
    signals: Signals | None = None


class ServiceQuery(PageQuery):
    """Filters of the list."""

    owner: str | None = Field(None, min_length=1, max_length=200, description="the owner's name")
    tier: str | None = Field(None, min_length=1, max_length=32, description="as `tier1`")


class SignalSettingsOut(ResponseModel):
    """The settings of a signal, including defaults."""

    expr: str
    unit: str
    degraded: float | None
    unhealthy: float | None


class LinkOut(ResponseModel):
    """A named URL."""

    title: str
    url: str


class ServiceOut(ResponseModel):
    """A service of the catalog."""

    id: str
    name: str
    owner: str
    tier: str
    description: str
    links: list[LinkOut]
    runbooks: list[str]
    depends_on: list[str]
    signals: dict[str, SignalSettingsOut]
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class ServiceDetailQuery(Body):
    """Options for the details of a service."""

    incidents: int = Field(5, ge=0, le=50, description="most `recent_incidents`")


class RecentIncident(ResponseModel):
    """A summary of an incident that affects a service."""

    id: str
    title: str
    severity: Literal["sev1", "sev2", "sev3", "sev4", "sev5"]
    status: Literal["triggered", "acknowledged", "resolved"]
    created_at: Timestamp
    resolved_at: Timestamp | None


class ServiceDetailOut(ServiceOut):
    """A service, with the newest incidents that affect it."""

    open_incidents: int = Field(description="how many that affect it are open, shown here or not")
    recent_incidents: list[RecentIncident] = Field(
        description="the newest first, open or not; all: `GET /v1/incidents?service=`"
    )


class ServicesOut(Listed[ServiceOut]):
    """A page of services."""


def _finite_or_text(value: float | None) -> float | str | None:
    return f"{value:+}".title() if value is not None and math.isinf(value) else value


class ReadingOut(ResponseModel):
    """The current reading of a signal."""

    value: Annotated[float | Literal["+Inf", "-Inf"] | None, BeforeValidator(_finite_or_text)]
    unit: str
    status: Literal["no_data", "healthy", "degraded", "unhealthy"]
    baseline: float | None = Field(description="median of the day before")
    reason: str


class HealthSlo(ResponseModel):
    """A summary of an objective of the service."""

    name: str
    status: Literal["ok", "at_risk", "breached", "no_data"]
    remaining: float | None = Field(description="share of the error budget that is left")


class HealthOut(ResponseModel):
    """The health of a service."""

    service: str
    at: Timestamp
    status: Literal["healthy", "degraded", "unhealthy", "unknown"]
    signals: dict[str, ReadingOut]
    slos: list[HealthSlo]
    warnings: list[str]


class GraphQuery(Body):
    """Limits of the graph."""

    direction: Literal["upstream", "downstream", "both"] = Field(
        "both",
        description="upstream: what the service depends on; downstream: what depends on it",
    )
    depth: int | None = Field(None, ge=0, le=100, description="absent: all")


class NodeOut(ResponseModel):
    """A service, or a name that is not in the catalog."""

    name: str
    kind: Literal["service", "external"]


class EdgeOut(ResponseModel):
    """`from` depends on `to`."""

    model_config = ConfigDict(serialize_by_alias=True)

    source_: str = Field(validation_alias="source", serialization_alias="from")
    target: str = Field(serialization_alias="to")
    source: Literal["declared", "discovered", "declared+discovered"] = Field(
        validation_alias="origin"
    )
    last_seen: Timestamp | None


class GraphOut(ResponseModel):
    """The dependency graph around a service."""

    service: str
    nodes: list[NodeOut]
    edges: list[EdgeOut]
    cycles: list[list[str]]
    truncated: bool
    warnings: list[str]
