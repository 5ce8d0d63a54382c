"""The data of a panel, for a time range and chosen values of variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self, TypeVar

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator
from starlette.requests import Request

from novaql import Cancellation, QueryOptions, Result, evaluate
from novaql.fast_dataclass import dataclass
from novaql.server.clock import to_ms
from novaql.server.dashboards.choices import Choice, LookupContext, resolved
from novaql.server.dashboards.interpolation import BadValue, NoValue, interpolated, references
from novaql.server.dashboards.panel_formats import (
    Answered,
    as_arrow,
    as_csv,
    as_json,
    memory_of,
)
from novaql.server.dashboards.panel_model import Shown
from novaql.server.dashboards.schema import PanelQuery, VariableIn
from novaql.server.dashboards.tables import Dashboard, Panel
from novaql.server.dashboards.windows import MOST_POINTS, Window, built_in, window_of
from novaql.server.db.unit import Unit
from novaql.server.errors import Detail, InvalidRequest, invalid
from novaql.server.http.formats import Format
from novaql.server.http.shapes import Body
from novaql.server.pools.query_sizes import Admit
from novaql.server.query.answer_memory import reserving
from novaql.server.query.run import run_queries, within_budget
from novaql.server.tenants.context import ServerContext

Done = TypeVar("Done")
VARIABLE = "var-"
NOTHING = "vector(0) > 0"
"""A query whose result is always empty."""

_TIMES = ("start", "end")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class WindowQuery(Body):
    """The time range."""

    start: str | None = Field(
        None,
        max_length=64,
        description="Unix seconds, RFC 3339 or `now-1h`; absent: the dashboard's",
    )
    end: str | None = Field(None, max_length=64, description="likewise")
    step: str | None = Field(
        None, max_length=64, description="a duration, or seconds; absent: one that fits max_points"
    )
    max_points: int = Field(300, ge=1, le=MOST_POINTS, description="of a series, without a step")


class DataQuery(WindowQuery):
    """The time range, and the format."""

    format: Format | None = Field(None, description="wins over the Accept header")


class Choosing(Body):
    """Parameters `var-NAME=VALUE` choose values of variables. A repeated name chooses several.

    given  the values, by names of variables
    """

    free_prefix: ClassVar[str] = VARIABLE
    _given: dict[str, list[str]] = PrivateAttr(default_factory=dict)

    @property
    def given(self) -> Mapping[str, Sequence[str]]:
        return self._given

    @model_validator(mode="wrap")
    @classmethod
    def _take_choices(
        cls, data: Mapping[str, Any], handler: ModelWrapValidatorHandler[Self]
    ) -> Self:
        given: dict[str, list[str]] = {}
        others: dict[str, Any] = {}
        for name, value in data.items():
            if not name.startswith(VARIABLE):
                others[name] = value
                continue
            given[name.removeprefix(VARIABLE)] = values = [value] if type(value) is str else value
            if any(len(text) > 1000 or "\0" in text for text in values):
                raise invalid(f"/{name}", "must be a value of at most 1000 characters, without NUL")
        found = handler(others)
        found._given = given
        return found


class ChosenWindowQuery(Choosing, WindowQuery):
    """The time range, and the chosen values of variables."""


class ChosenDataQuery(Choosing, DataQuery):
    """The time range, the format, and the chosen values of variables."""


def load(unit: Unit, panel_id: str) -> Shown:
    """Load a panel. Raises the 404."""
    panel = unit.get(Panel, panel_id, "panel")
    dashboard = unit.get(Dashboard, panel.dashboard_id, "dashboard")
    return Shown(panel.id, panel.title, panel.spec, variables_of(dashboard), dashboard.time_range)


def variables_of(dashboard: Dashboard) -> tuple[VariableIn, ...]:
    """The variables of a dashboard, in order."""
    return tuple(VariableIn.model_validate(variable) for variable in dashboard.variables)


async def data_of(
    request: Request,
    context: ServerContext,
    shown: Shown,
    query: DataQuery,
    given: Mapping[str, Sequence[str]],
    form: Format,
) -> bytes:
    """Compute the data of a panel in a thread of the query pool."""
    window = window_in(context, shown.time_range, query)

    def work(run: Run) -> bytes:
        answered, choices = answer(run, shown, given)
        with reserving(context, run.cancellation, "the text of the panel's data") as reserve:
            reserve(memory_of(answered, form))
            if form == "csv":
                return as_csv(answered)
            if form == "arrow":
                return as_arrow(answered)
            return as_json(shown, window, answered, choices)

    return await in_turn(request, context, window, work)


@dataclass(frozen=True, slots=True)
class Run:
    """Runs the queries of one request, with one window and one cancellation.

    admit  raises `TooLargeHere` for the estimate of a query that is too large here
    """

    context: ServerContext
    window: Window
    cancellation: Cancellation
    admit: Admit

    def at_end(self, expr: str) -> Result:
        """Run a query at the end of the window."""
        end = self.window.end_ms
        return self._evaluate(expr, QueryOptions(end, end))

    def over(self, expr: str) -> Result:
        """Run a query over the window."""
        first_ms, last_ms = self.window.steps_ms
        return self._evaluate(expr, QueryOptions(first_ms, last_ms, self.window.step_ms))

    def lookup(self) -> LookupContext:
        """The source of options for variables."""
        window = self.window
        return LookupContext(self.context.store, window.start_ms, window.end_ms, self.at_end)

    def _evaluate(self, expr: str, options: QueryOptions) -> Result:
        context = self.context
        result = evaluate(
            expr,
            context.store,
            within_budget(context, options, self.cancellation),
            cancellation=self.cancellation,
            cache=context.caches.results,
            admit=self.admit,
        )
        context.telemetry.query_samples.inc(result.stats.samples)
        return result


async def in_turn(
    request: Request, context: ServerContext, window: Window, work: Callable[[Run], Done]
) -> Done:
    """Run work that has queries, see `run_queries`."""
    first_ms, last_ms = window.steps_ms
    chosen = [pair for pair in request.query_params.multi_items() if pair[0] not in _TIMES]
    key = request.scope["path"], (last_ms - first_ms) // window.step_ms, *chosen
    return await run_queries(
        request,
        context,
        key,
        lambda cancellation, admit: work(Run(context, window, cancellation, admit)),
        timeout_s=context.settings.query_timeout_s,
    )


def answer(
    run: Run, shown: Shown, given: Mapping[str, Sequence[str]]
) -> tuple[list[Answered], list[Choice]]:
    """Run the queries of a panel. Returns their results and the resolved variables."""
    queries = [PanelQuery.model_validate(query) for query in shown.spec["queries"]]
    fixed = built_in(run.window)
    wanted = needed(shown.variables, [query.expr for query in queries])
    choices = resolved(shown.variables, given, fixed, run.lookup(), wanted=wanted)
    values = fixed | {choice.variable.name: choice.value for choice in choices}
    answered = []
    for number, query in enumerate(queries):
        if query.hidden:
            continue
        try:
            expr = put_in(query.expr, values)
        except NoValue as problem:
            warning = f"{problem} in this time, so there is nothing to show"
            nothing = run.at_end(NOTHING) if query.instant else run.over(NOTHING)
            result = replace(nothing, warnings=(warning,))
            answered.append(Answered(_LETTERS[number], query.expr, query.legend, result))
            continue
        result = run.at_end(expr) if query.instant else run.over(expr)
        answered.append(Answered(_LETTERS[number], expr, query.legend, result))
    return answered, choices


def put_in(expr: str, values: Mapping[str, Any]) -> str:
    """Interpolate the variables of a query. Raises a 400 for a value that is invalid there.

    Raises `NoValue` if a variable has no value.
    """
    try:
        return interpolated(expr, values)
    except NoValue:
        raise
    except BadValue as problem:
        pointer = f"/{VARIABLE}{problem.variable}"
        raise InvalidRequest(str(problem), details=[Detail(pointer, str(problem))]) from None


def needed(variables: Sequence[VariableIn], exprs: Sequence[str]) -> frozenset[str]:
    """The names of variables in queries, and of those on which these variables depend."""
    wanted = {reference.name for expr in exprs for reference in references(expr)}
    for variable in reversed(variables):
        if variable.name in wanted and variable.query is not None:
            wanted |= {reference.name for reference in references(variable.query)}
    return frozenset(wanted)


def window_in(context: ServerContext, time_range: Mapping[str, str], query: WindowQuery) -> Window:
    """The window of a request. The dashboard's time range is the default."""
    start = query.start if query.start is not None else time_range["from"]
    end = query.end if query.end is not None else time_range["to"]
    now_ms = to_ms(context.clock.now())
    return window_of(start, end, query.step, query.max_points, now_ms)
