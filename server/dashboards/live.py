"""Endpoints that read the tenant's samples: data of panels, values of variables, annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from novaql import Result
from novaql.fast_dataclass import dataclass
from novaql.server.clock import from_ms, rfc3339
from novaql.server.dashboards.choices import resolved
from novaql.server.dashboards.interpolation import NoValue
from novaql.server.dashboards.panel_data import (
    ChosenDataQuery,
    ChosenWindowQuery,
    Run,
    data_of,
    in_turn,
    load,
    needed,
    put_in,
    variables_of,
    window_in,
)
from novaql.server.dashboards.panel_formats import legend_text
from novaql.server.dashboards.schema import AnnotationIn
from novaql.server.dashboards.tables import Dashboard
from novaql.server.dashboards.windows import built_in
from novaql.server.db.unit import Unit
from novaql.server.http.cache import read_rows
from novaql.server.http.dependencies import READ_ONLY, SAMPLES, ResourceId, Server
from novaql.server.http.formats import MEDIA, format_of
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.routing import api_router
from novaql.server.http.shapes import ResponseModel, Timestamp

router = api_router("/v1", "dashboards")
MOST_MARKS = 1000
MOST_MARKS_TEXT = 8 << 20
"""The most bytes of an answer with several marks: series may have megabytes of labels."""
CANNOT = {"description": "A query cannot be carried out"}


class VariableOut(ResponseModel):
    """A variable, with its options and the chosen values."""

    name: str
    label: str
    type: Literal["query", "custom", "interval"]
    multi: bool
    include_all: bool
    options: list[str] = Field(description="at most 1000, sorted")
    truncated: bool = Field(description="there are more")
    chosen: list[str] = Field(description="`$__all`: all of them")


class VariablesOut(ResponseModel):
    """The variables of a dashboard, in its order."""

    data: list[VariableOut]


class MarkOut(ResponseModel):
    """A time range in which an annotation's query is not zero."""

    annotation: str
    title: str
    color: str | None
    labels: dict[str, str]
    start: Timestamp
    end: Timestamp


class MarksOut(ResponseModel):
    """The marks of a dashboard, in order of time."""

    data: list[MarkOut]
    truncated: bool = Field(description="there are more than a thousand")


class PanelSeen(ResponseModel):
    """The panel, and how to draw it."""

    id: str
    title: str
    type: str
    unit: str | None
    decimals: int | None
    min: float | None
    max: float | None
    thresholds: list[dict[str, Any]]
    text: str | None


class QuerySeen(ResponseModel):
    """The result of a panel's query. `result` has the format of POST /v1/novaql."""

    ref: str
    expr: str = Field(description="with its variables put in")
    result_type: Literal["matrix", "vector", "scalar", "string"]
    legends: list[str] = Field(description="the name of each series of `result`")
    result: list[Any]
    stats: dict[str, Any]


class PanelDataOut(ResponseModel):
    """The data of a panel."""

    panel: PanelSeen
    window: dict[str, float]
    variables: dict[str, list[str]]
    queries: list[QuerySeen]
    warnings: list[str]
    infos: list[str]


@router.get(
    "/dashboards/{id}/variables",
    response_model=VariablesOut,
    dependencies=[READ_ONLY, SAMPLES],
    responses={422: CANNOT},
)
async def list_dashboard_variables(
    request: Request, id: ResourceId, query: Annotated[ChosenWindowQuery, Query()], server: Server
) -> Response:
    """The options of each variable in a time range, and the values chosen by `var-NAME=VALUE`."""
    variables, time_range, _ = await read_rows(
        request, f"dashboard:{id}", lambda unit: _parts(unit, id)
    )
    window = window_in(server, time_range, query)

    def work(run: Run) -> bytes:
        choices = resolved(variables, query.given, built_in(window), run.lookup())
        rows = [
            {
                "name": choice.variable.name,
                "label": choice.variable.label or choice.variable.name,
                "type": choice.variable.type,
                "multi": choice.variable.multi,
                "include_all": choice.variable.include_all,
                "options": choice.options,
                "truncated": choice.more,
                "chosen": choice.chosen,
            }
            for choice in choices
        ]
        return json_bytes({"data": rows})

    return _json(await in_turn(request, server, window, work))


@router.get(
    "/dashboards/{id}/annotations",
    response_model=MarksOut,
    dependencies=[READ_ONLY, SAMPLES],
    responses={422: CANNOT},
)
async def list_dashboard_annotations(
    request: Request, id: ResourceId, query: Annotated[ChosenWindowQuery, Query()], server: Server
) -> Response:
    """The marks of a dashboard's annotations in a time range."""
    variables, time_range, annotations = await read_rows(
        request, f"dashboard:{id}", lambda unit: _parts(unit, id)
    )
    window = window_in(server, time_range, query)

    def work(run: Run) -> bytes:
        fixed = built_in(window)
        wanted = needed(variables, [annotation.expr for annotation in annotations])
        choices = resolved(variables, query.given, fixed, run.lookup(), wanted=wanted)
        values = fixed | {choice.variable.name: choice.value for choice in choices}
        marks: list[_Mark] = []
        for annotation in annotations:
            try:
                expr = put_in(annotation.expr, values)
            except NoValue:
                continue
            result = run.over(expr)
            marks += _marks(annotation, result, window.step_ms)
        return _marks_json(sorted(marks, key=lambda mark: mark.start_ms))

    return _json(await in_turn(request, server, window, work))


@router.get(
    "/panels/{id}/data",
    response_model=PanelDataOut,
    dependencies=[READ_ONLY, SAMPLES],
    responses={
        200: {"content": {"text/csv": {}, "application/vnd.apache.arrow.stream": {}}},
        406: {"description": "No form of the data is acceptable"},
        422: CANNOT,
    },
)
async def get_panel_data(
    request: Request, id: ResourceId, query: Annotated[ChosenDataQuery, Query()], server: Server
) -> Response:
    """The data of a panel as JSON, CSV or an Arrow IPC stream, by `format` or the Accept header.

    `var-NAME=VALUE` chooses the value of a variable. Repeat it to choose several values if the
    variable allows it; `$__all` chooses all. If the range is relative to now (`now-1h`), times are
    multiples of the step, so that a refreshed panel has the same points. CSV has one row per
    sample: time, series, value. The name of a series is the legend of its query, or its labels. An
    apostrophe precedes text that a spreadsheet would interpret as a formula.
    """
    form = format_of(query.format, request.headers.get("accept", ""))
    shown = await read_rows(request, f"panel:{id}", lambda unit: load(unit, id))
    content = await data_of(request, server, shown, query, query.given, form)
    headers = {"Vary": "Accept", "Cache-Control": "no-store", "Content-Type": MEDIA[form]}
    if form == "csv":
        headers["Content-Disposition"] = f'inline; filename="{id}.csv"'
    return Response(content, headers=headers)


def _parts(unit: Unit, key: str) -> tuple[Any, dict[str, str], list[AnnotationIn]]:
    dashboard = unit.get(Dashboard, key, "dashboard")
    annotations = [AnnotationIn.model_validate(found) for found in dashboard.annotations]
    return variables_of(dashboard), dashboard.time_range, annotations


@dataclass(frozen=True, slots=True)
class _Mark:
    """A mark, whose labels other marks of the same series share."""

    annotation: AnnotationIn
    labels: dict[str, str]
    start_ms: int
    end_ms: int

    def json(self) -> bytes:
        shown = {
            "annotation": self.annotation.name,
            "title": legend_text(self.annotation.title or None, self.labels),
            "color": self.annotation.color,
            "labels": self.labels,
            "start": rfc3339(from_ms(self.start_ms)),
            "end": rfc3339(from_ms(self.end_ms)),
        }
        return json_bytes(shown)


def _marks(annotation: AnnotationIn, result: Result, step_ms: int) -> list[_Mark]:
    """The marks of a result: each covers adjacent steps of a series with values other than zero."""
    points = result.points()
    row = np.repeat(np.arange(len(points.offsets) - 1), np.diff(points.offsets))
    here = points.values != 0  # NaN is not zero
    times, rows = points.times_ms[here], row[here]
    if not len(times):
        return []
    fresh = np.ones(len(times), bool)
    fresh[1:] = (np.diff(rows) != 0) | (np.diff(times) > step_ms)
    first = np.flatnonzero(fresh)
    last = np.append(first[1:] - 1, len(times) - 1)
    labels = result.series.dicts()
    return [
        _Mark(annotation, labels[rows[start]], int(times[start]), int(times[end]))
        for start, end in zip(first[: MOST_MARKS + 1], last, strict=False)
    ]


def _marks_json(marks: Sequence[_Mark]) -> bytes:
    """The first marks, as many as the limits allow, and at least one."""
    pieces: list[bytes] = []
    size = 0
    for mark in marks[:MOST_MARKS]:
        piece = mark.json()
        size += len(piece)
        if pieces and size > MOST_MARKS_TEXT:
            break
        pieces.append(piece)
    truncated = json_bytes(len(pieces) < len(marks))
    return b'{"data":[%s],"truncated":%s}' % (b",".join(pieces), truncated)


def _json(content: bytes) -> Response:
    return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")
