"""Runs a script: every eval against the data of the loads before it.

An instant eval is more than one query: as written; with `@` on every selector, at other times;
and each of these as the middle of a range query. All must return the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from novaql.engine import evaluate
from novaql.errors import NovaqlError
from novaql.fast_dataclass import dataclass
from novaql.language import format_expr, parse_core
from novaql.language.ast import Expr, VectorSelector
from novaql.language.visit import walk
from novaql.options import QueryOptions
from novaql.promqltest.comparison import (
    annotation_differences,
    differences,
    failure_differences,
    order_differences,
)
from novaql.promqltest.outcome import Outcome, outcome_of
from novaql.promqltest.script import Clear, Eval, Load, Script, SeriesValues
from novaql.promqltest.step_invariance import (
    can_be_pinned,
    depends_on_range,
    other_times,
    pinned,
)
from novaql.promqltest.storage import Storage
from novaql.result import Result
from novaql.selectors import matchers_of
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import select_rows
from novaql.tsdb.model.source import Source

Engine = Callable[[str, Source, QueryOptions], Result]

LOOKBACK_MS = 300_000
SUBQUERY_STEP_MS = 60_000
TIMEOUT_S = 100.0
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of a query, in place of an outcome. crash: an exception that the engine does not
    raise on purpose, and which is never expected."""

    message: str
    crash: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one eval.

    native       it involves native histograms: a series that it selects has some, or its query,
                 results or annotations mention one (`{{`). All others are float evals
    differences  empty if it passed, else lines to read; the first names the run
    """

    case: Eval
    native: bool
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.differences


def run_script(script: Script, engine: Engine = evaluate) -> Iterator[Verdict]:
    """Run the commands in order, one verdict per eval."""
    for case, storage in cases(script):
        yield run_eval(case, storage, engine)


def cases(script: Script) -> Iterator[tuple[Eval, Storage]]:
    """Every eval, and the storage after the loads before it. Loads never change a storage that was
    returned."""
    storage = Storage()
    for command in script.commands:
        match command:
            case Clear():
                storage = Storage()
            case Load():
                storage = storage.with_load(command)
            case Eval():
                yield command, storage


def run_eval(case: Eval, storage: Storage, engine: Engine = evaluate) -> Verdict:
    """Run one eval in every form, up to the first that differs."""
    expr = parse_core(case.query)
    native = "{{" in case.source or _selects_any(expr, storage.histogram_table())
    for name, run in _runs(case, expr, storage, engine):
        if found := run():
            return Verdict(case, native, (f"{name}:", *found))
    return Verdict(case, native, ())


def _selects_any(expr: Expr, table: SeriesTable) -> bool:
    """Whether a selector of the query matches a series of the table."""
    return any(
        select_rows(table, matchers_of(node)).any()
        for node in walk(expr)
        if isinstance(node, VectorSelector)
    )


# --- the forms of one eval -------------------------------------------------------------------

_Run = Callable[[], list[str]]


def _runs(case: Eval, expr: Expr, storage: Storage, engine: Engine) -> Iterator[tuple[str, _Run]]:
    """Name and check of every form in which an eval is run."""
    source = storage.source()
    matrix = case.expected.matrix
    if not case.instant:
        options = _options(case.start_ms, case.end_ms, case.step_ms)
        yield "as written", lambda: _check(case, case.query, source, options, engine)
        return
    at_ms = case.start_ms if matrix is None else matrix.end_ms
    queries = [(case.query, at_ms, "as written")]
    if can_be_pinned(expr):
        text = format_expr(pinned(expr, at_ms))
        queries += [(text, time, f"{text} at {time / 1000:g}s") for time in other_times(at_ms)]
    as_range = (
        not depends_on_range(case.query, expr) and matrix is None and case.expected.text is None
    )
    for query, time_ms, name in queries:

        def instant(query: str = query, time_ms: int = time_ms) -> list[str]:
            return _check(case, query, source, _options(time_ms, time_ms, 0), engine)

        def middle(query: str = query, time_ms: int = time_ms) -> list[str]:
            return _check_middle(case, query, source, time_ms, engine)

        yield name, instant
        if as_range and case.expected.failure is None:
            yield f"{name}, as the middle of a range query", middle


def _options(start_ms: int, end_ms: int, step_ms: int) -> QueryOptions:
    return QueryOptions(
        start_ms,
        end_ms,
        step_ms,
        lookback_ms=LOOKBACK_MS,
        subquery_step_ms=SUBQUERY_STEP_MS,
        timeout_s=TIMEOUT_S,
    )


def _check(
    case: Eval, query: str, source: Source, options: QueryOptions, engine: Engine
) -> list[str]:
    expected = case.expected
    found = _attempt(query, source, options, engine)
    if isinstance(found, Failure):
        if expected.failure is not None and not found.crash:
            return failure_differences(expected.failure, found.message)
        return [f"+ failure: {found.message}"]
    if expected.failure is not None:
        return ["- a failure", "+ a result"]
    return [*differences(case, found), *annotation_differences(expected, found)]


def _check_middle(
    case: Eval, query: str, source: Source, time_ms: int, engine: Engine
) -> list[str]:
    """The same query from a minute before to a minute after, of which the middle is compared."""
    options = _options(time_ms - _MINUTE_MS, time_ms + _MINUTE_MS, _MINUTE_MS)
    found = _attempt(query, source, options, engine)
    if isinstance(found, Failure):
        return [f"+ failure: {found.message}"]
    unsorted = order_differences(found)
    if unsorted or case.expected.ordered:
        return unsorted
    middle = found.at(time_ms)
    if case.expected.scalar is not None:
        case = _scalar_as_series(case)
    return differences(case, middle)


def _scalar_as_series(case: Eval) -> Eval:
    """In a range query a scalar is one series without labels."""
    scalar = case.expected.scalar
    assert scalar is not None
    series = (SeriesValues((), (scalar,), case.line),)
    return replace(case, expected=replace(case.expected, scalar=None, series=series))


def _attempt(
    query: str, source: Source, options: QueryOptions, engine: Engine
) -> Outcome | Failure:
    """Return the outcome, or the failure."""
    try:
        return outcome_of(engine(query, source, options))
    except NovaqlError as failure:
        return Failure(str(failure))
    except Exception as crash:  # noqa: BLE001 - a crash fails this eval and must not hide the others
        return Failure(f"the engine crashed: {crash!r}", crash=True)
