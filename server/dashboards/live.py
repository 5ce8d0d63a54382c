"""What dashboards show of the tenant's samples: panels' data, variables' values, annotations."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from novaql.result import Result
from novaql.server.dashboards.choices import resolved
from novaql.server.dashboards.interpolation import NoValue
from novaql.server.dashboards.panel_data import (
    DataQuery,
    Run,
    WindowQuery,
    in_turn,
    needed,
    panel_data,
    put_in,
    read_parameters,
    variables_of,
    window_in,
)
from novaql.server.dashboards.panel_formats import legend_text
from novaql.server.dashboards.schema import AnnotationIn
from novaql.server.dashboards.tables import Dashboard
from novaql.server.dashboards.windows import built_in
from novaql.server.platform.calls import read_once
from novaql.server.platform.clock import from_ms, rfc3339
from novaql.server.platform.context import context_of
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.scopes import Role
from novaql.server.platform.shapes import Shown, Timestamp
from novaql.server.platform.unit import Unit

MOST_MARKS = 1000


class VariableOut(Shown):
    """A variable, what can be chosen, and what is."""

    name: str
    label: str
    type: Literal["query", "custom", "interval"]
    multi: bool
    include_all: bool
    options: list[str] = Field(description="at most 1000, sorted")
    truncated: bool = Field(description="there are more")
    chosen: list[str] = Field(description="`$__all`: all of them")


class VariablesOut(Shown):
    """The variables of a dashboard, in its order."""

    data: list[VariableOut]


class MarkOut(Shown):
    """A stretch of time in which an annotation's query is not zero."""

    annotation: str
    title: str
    color: str | None
    labels: dict[str, str]
    start: Timestamp
    end: Timestamp


class MarksOut(Shown):
    """The marks of a dashboard, in order of time."""

    data: list[MarkOut]
    truncated: bool = Field(description="there are more than a thousand")


class PanelSeen(Shown):
    """Which panel it is, and how it is to be drawn."""

    id: str
    title: str
    type: str
    unit: str | None
    decimals: int | None
    min: float | None
    max: float | None
    thresholds: list[dict[str, Any]]
    text: str | None


class QuerySeen(Shown):
    """What a query of a panel answered; `result` as POST /v1/novaql has it."""

    ref: str
    expr: str = Field(description="with its variables put in")
    result_type: Literal["matrix", "vector", "scalar", "string"]
    legends: list[str] = Field(description="the name of each series of `result`")
    result: list[Any]
    stats: dict[str, Any]


class PanelDataOut(Shown):
    """The data of a panel."""

    panel: PanelSeen
    window: dict[str, float]
    variables: dict[str, list[str]]
    queries: list[QuerySeen]
    warnings: list[str]
    infos: list[str]


async def dashboard_variables(request: Request) -> Response:
    """What can be chosen for each variable in a time, and what is chosen by `var-NAME=VALUE`."""
    query, given = read_parameters(request, WindowQuery)
    key = str(request.path_params["id"])
    variables, time_range, _ = await read_once(
        request, f"dashboard:{key}", lambda unit: _parts(unit, key)
    )
    context = context_of(request)
    window = window_in(context, time_range, query)

    def work(run: Run) -> bytes:
        choices = resolved(variables, given, built_in(window), run.asked())
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
        return orjson.dumps({"data": rows})

    return _json(await in_turn(request, context, window, work))


async def dashboard_annotations(request: Request) -> Response:
    """The marks that a dashboard's annotations make in a time."""
    query, given = read_parameters(request, WindowQuery)
    key = str(request.path_params["id"])
    variables, time_range, annotations = await read_once(
        request, f"dashboard:{key}", lambda unit: _parts(unit, key)
    )
    context = context_of(request)
    window = window_in(context, time_range, query)

    def work(run: Run) -> bytes:
        fixed = built_in(window)
        wanted = needed(variables, [annotation.expr for annotation in annotations])
        choices = resolved(variables, given, fixed, run.asked(), wanted=wanted)
        values = fixed | {choice.variable.name: choice.value for choice in choices}
        marks: list[tuple[int, dict[str, Any]]] = []
        for annotation in annotations:
            try:
                expr = put_in(annotation.expr, values)
            except NoValue:
                continue
            result = run.over(expr)
            marks += _marks(annotation, result, window.step_ms)
        marks.sort(key=lambda mark: mark[0])
        rows = [mark for _, mark in marks[:MOST_MARKS]]
        return orjson.dumps({"data": rows, "truncated": len(marks) > MOST_MARKS})

    return _json(await in_turn(request, context, window, work))


def _parts(unit: Unit, key: str) -> tuple[Any, dict[str, str], list[AnnotationIn]]:
    dashboard = unit.get(Dashboard, key, "dashboard")
    annotations = [AnnotationIn.model_validate(found) for found in dashboard.annotations]
    return variables_of(dashboard), dashboard.time_range, annotations


def _marks(
    annotation: AnnotationIn, result: Result, step_ms: int
) -> list[tuple[int, dict[str, Any]]]:
    """Neighbouring steps of a series at which the value is not zero are one mark."""
    points = result.points()
    row = np.repeat(np.arange(len(points.offsets) - 1), np.diff(points.offsets))
    here = points.values != 0  # NaN is not zero: it is there
    times, rows = points.times_ms[here], row[here]
    if not len(times):
        return []
    fresh = np.ones(len(times), bool)
    fresh[1:] = (np.diff(rows) != 0) | (np.diff(times) > step_ms)
    first = np.flatnonzero(fresh)
    last = np.append(first[1:] - 1, len(times) - 1)
    labels = result.series.dicts()
    return [
        (
            int(times[start]),
            {
                "annotation": annotation.name,
                "title": legend_text(annotation.title or None, labels[rows[start]]),
                "color": annotation.color,
                "labels": labels[rows[start]],
                "start": rfc3339(from_ms(int(times[start]))),
                "end": rfc3339(from_ms(int(times[end]))),
            },
        )
        for start, end in zip(first[: MOST_MARKS + 1], last, strict=False)
    ]


def _json(content: bytes) -> Response:
    return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")


def _seen(path: str, handler: Any, query: Any, answer: Any, **more: Any) -> Endpoint:
    return Endpoint(
        ("GET",),
        path,
        handler,
        Role.READ_ONLY,
        "dashboards",
        errors=(400, 404, 422, 503, *more.pop("errors", ())),
        query=query,
        answer=answer,
        **more,
    )


ENDPOINTS = (
    _seen("/v1/dashboards/{id}/variables", dashboard_variables, WindowQuery, VariablesOut),
    _seen("/v1/dashboards/{id}/annotations", dashboard_annotations, WindowQuery, MarksOut),
    _seen(
        "/v1/panels/{id}/data",
        panel_data,
        DataQuery,
        PanelDataOut,
        errors=(406,),
        media=("text/csv", "application/vnd.apache.arrow.stream"),
    ),
)
