"""Request and response models of dashboards."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import Body, Duration, Listed, ResponseModel, Timestamp, example

Title = Annotated[str, Field(max_length=500)]
Long = Annotated[str, Field(max_length=10_000)]
Tag = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\n\r]+$")]
VariableName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$")]
TimeText = Annotated[
    str, Field(min_length=1, max_length=64, examples=["now-1h"], description="RFC 3339 or relative")
]
PanelType = Literal["timeseries", "stat", "gauge", "table", "heatmap", "text"]
COLUMNS = 24
MOST_PANELS = 250
EXAMPLE: dict[str, Any] = {
    "title": "API",
    "variables": [
        {"name": "job", "type": "query", "query": "label_values(up, job)", "multi": True}
    ],
    "panels": [
        {
            "title": "Requests",
            "type": "timeseries",
            "unit": "reqps",
            "queries": [
                {
                    "expr": 'sum by (job) (rate(requests_total{job=~"$job"}[$__rate_interval]))',
                    "legend": "{{job}}",
                }
            ],
            "grid": {"x": 0, "y": 0, "w": 12, "h": 8},
        }
    ],
}
GRAFANA_EXAMPLE: dict[str, Any] = {
    "dashboard": {
        "title": "From Grafana",
        "panels": [
            {
                "type": "timeseries",
                "title": "Up",
                "targets": [{"expr": "up"}],
                "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
            }
        ],
    }
}


class Grid(Body):
    """The position of a panel on a grid of 24 columns. Panels do not overlap."""

    x: int = Field(ge=0, lt=COLUMNS)
    y: int = Field(ge=0, le=10_000)
    w: int = Field(ge=1, le=COLUMNS)
    h: int = Field(ge=1, le=200)


class PanelQuery(Body):
    """A query of a panel. `$name` refers to a variable."""

    expr: Annotated[str, Field(min_length=1, max_length=20_000)]
    legend: Annotated[str, Field(max_length=500)] | None = Field(
        None, description="name of each series; `{{label}}` is replaced by the value of a label"
    )
    instant: bool = Field(False, description="at the end of the range only")
    hidden: bool = Field(False, description="stored, but neither evaluated nor shown")


class Threshold(Body):
    """The colour of values from `value` on; null means from the bottom."""

    value: float | None
    color: Annotated[str, Field(min_length=1, max_length=64)]


class PanelIn(Body):
    """A panel. An `id` of a panel of this dashboard changes that panel."""

    id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    title: Title = ""
    description: Long = ""
    type: PanelType
    queries: Annotated[list[PanelQuery], Field(max_length=26)] = Field(default_factory=list)
    unit: Annotated[str, Field(max_length=64)] | None = None
    decimals: int | None = Field(None, ge=0, le=15)
    min: float | None = None
    max: float | None = None
    thresholds: Annotated[list[Threshold], Field(max_length=50)] = Field(default_factory=list)
    text: Annotated[str, Field(max_length=50_000)] | None = Field(
        None,
        description="Markdown of a text panel, stored unchanged; clients escape it",
    )
    grid: Grid


class VariableIn(Body):
    """A variable, whose value the viewer chooses.

    A query is `label_values(selector, label)`, `label_values(label)`, `label_names(selector)`,
    `metrics(regex)` or `query_result(expr)`. It can refer to earlier variables.
    """

    name: VariableName
    label: Title = ""
    type: Literal["query", "custom", "interval"]
    query: Annotated[str, Field(min_length=1, max_length=5000)] | None = None
    values: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=1000)]], Field(max_length=1000)
    ] = Field(default_factory=list)
    regex: Annotated[str, Field(max_length=1000)] = Field(
        "", description="a value is offered if the regex matches; a first group replaces it"
    )
    multi: bool = Field(False, description="several values can be chosen")
    include_all: bool = Field(False, description="`$__all` can be chosen: all of them")
    all_value: Annotated[str, Field(max_length=1000)] | None = Field(
        None, description="a regex that matches all; absent: the values themselves do"
    )
    default: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=1000)] = (
        Field(default_factory=list, description="chosen unless the viewer chooses; else the first")
    )


class AnnotationIn(Body):
    """Marks at the times at which the query's value is not zero."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    expr: Annotated[str, Field(min_length=1, max_length=20_000)]
    title: Annotated[str, Field(max_length=500)] = Field("", description="with `{{label}}`")
    color: Annotated[str, Field(max_length=64)] | None = None


class TimeRange(Body):
    """The default time range."""

    from_: TimeText = Field("now-1h", alias="from")
    to: TimeText = "now"


class SaveDashboard(Body):
    """A whole dashboard. With an `id` it replaces that dashboard, from its `version`."""

    model_config = example(EXAMPLE)

    id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    version: int | None = Field(None, ge=1)
    title: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
    description: Long = ""
    tags: Annotated[list[Tag], Field(max_length=50)] = Field(default_factory=list)
    variables: Annotated[list[VariableIn], Field(max_length=50)] = Field(default_factory=list)
    panels: Annotated[list[PanelIn], Field(max_length=MOST_PANELS)]
    annotations: Annotated[list[AnnotationIn], Field(max_length=20)] = Field(default_factory=list)
    refresh: Duration | None = None
    time_range: TimeRange = Field(default_factory=lambda: TimeRange(**{"from": "now-1h"}))


class DashboardQuery(PageQuery):
    """Filters of the list."""

    tag: str | None = Field(None, min_length=1, max_length=100, description="has this tag")
    title: str | None = Field(
        None, min_length=1, max_length=200, description="is part of the title, in any case"
    )


class PersonOut(ResponseModel):
    """A user."""

    id: str
    name: str


class DashboardRow(ResponseModel):
    """A dashboard in the list."""

    id: str
    title: str
    tags: list[str]
    owner: PersonOut
    panel_count: int
    last_edited_at: Timestamp
    last_edited_by: PersonOut
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class PanelOut(ResponseModel):
    """A stored panel."""

    id: str
    title: str
    description: str
    type: PanelType
    queries: list[PanelQuery]
    unit: str | None
    decimals: int | None
    min: float | None
    max: float | None
    thresholds: list[Threshold]
    text: str | None
    grid: Grid


class DashboardOut(ResponseModel):
    """A whole dashboard."""

    settled = True

    id: str
    title: str
    description: str
    tags: list[str]
    variables: list[VariableIn]
    panels: list[PanelOut]
    annotations: list[AnnotationIn]
    refresh: str | None
    time_range: dict[str, str]
    owner: PersonOut
    last_edited_by: PersonOut
    last_edited_at: Timestamp
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class DashboardsOut(Listed[DashboardRow]):
    """A page of dashboards."""


class VersionOut(ResponseModel):
    """A version of a dashboard in the list."""

    number: int
    at: Timestamp
    by: PersonOut
    title: str


class VersionsOut(ResponseModel):
    """The versions of a dashboard, newest first."""

    data: list[VersionOut]


class VersionInFull(VersionOut):
    """A version with its content. To restore it, save the content from the newest version."""

    dashboard: dict[str, Any]


class ImportDashboard(Body):
    """A dashboard in Grafana's export format."""

    model_config = example(GRAFANA_EXAMPLE)

    dashboard: dict[str, Any]
    dry_run: bool = Field(False, description="report the result, and save nothing")
    id: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="replace this one"
    )
    version: int | None = Field(None, ge=1)


class Note(ResponseModel):
    """One dropped or changed part."""

    path: str = Field(description="JSON pointer into Grafana's dashboard")
    action: Literal["dropped", "changed"]
    reason: str


class ImportedDashboardOut(ResponseModel):
    """The result of an import. `dashboard` is the saved dashboard, or the preview of a dry run."""

    id: str | None
    version: int | None
    dashboard: dict[str, Any]
    panels: int
    report: list[Note]


class ExportQuery(Body):
    """The format of the export."""

    format: Literal["grafana", "nova"] = Field(
        "nova", description="for Grafana, or as POST /v1/dashboards takes it"
    )


class AnyDocument(ResponseModel):
    """A dashboard in the requested format."""
