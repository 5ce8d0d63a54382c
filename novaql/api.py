"""query(): arguments → options and data → the engine's answer, on one screen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novaql.errors import ArgumentError
from novaql.lazy_exports import lazy_module
from novaql.options import Limits, NameRemoval
from novaql.query_text import HasQueryText, QueryLike, query_text
from novaql.timeparse import DurationLike, TimeLike

if TYPE_CHECKING:
    from novaql import diagnosis, engine, language, opening, parameters
    from novaql.diagnosis import WhyEmpty
    from novaql.evaluator import profile
    from novaql.evaluator.estimate import Estimate
    from novaql.evaluator.kernels import dispatch
    from novaql.export import compiled_text
    from novaql.inputs.compiled import compiling
    from novaql.inputs.prometheus import decoding
    from novaql.language import Expr
    from novaql.language.layout import Style
    from novaql.parameters import Parameters
    from novaql.result import Result
    from novaql.result_cache import ResultCache
    from novaql.tsdb.codec.numba import decoder
    from novaql.tsdb.runtime.compiled import Registry
else:
    diagnosis = lazy_module("novaql.diagnosis")
    engine = lazy_module("novaql.engine")
    language = lazy_module("novaql.language")
    opening = lazy_module("novaql.opening")
    parameters = lazy_module("novaql.parameters")
    profile = lazy_module("novaql.evaluator.profile")
    dispatch = lazy_module("novaql.evaluator.kernels.dispatch")
    compiled_text = lazy_module("novaql.export.compiled_text")
    compiling = lazy_module("novaql.inputs.compiled.compiling")
    decoding = lazy_module("novaql.inputs.prometheus.decoding")
    decoder = lazy_module("novaql.tsdb.codec.numba.decoder")


def query(
    expr: QueryLike,
    data: Any = None,
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    timeout: DurationLike | None = "2m",
    name_removal: NameRemoval | str = NameRemoval.DELAYED,
    left_closed: bool = False,
    limits: Limits | None = None,
    strict: bool = False,
    rollup: DurationLike | None = None,
    strict_promql: bool = False,
    cache: ResultCache | None = None,
    params: Parameters | None = None,
) -> Result:
    """Evaluate a NovaQL expression over data.

    expr      the query: PromQL and its extensions; a text, or an expression of `novaql.q`
    data      a database, a path, a frame, a table, a dataset, an open file, a list of these, a dict
              of columns, the URL of a server, a page or a file, or any `Source`; None: the default
              database (`NOVAQL_DATA`, else `./novaql-data`)
    time      instant query at this time. Datetimes, RFC 3339 texts, Unix seconds. Default: the time
              of the last sample of files and frames, which an info states; now for all other data
    start, end, step   range query at start, start + step, … ≤ end. Default of `end`: as of `time`,
              and a relative `start` such as "-30m" then counts from it; default of `step`: a round
              duration, so that there are about 240 steps
    lookback  how long a sample stays visible to an instant selector
    timeout   wall-clock budget; None for no limit
    name_removal   "delayed": removes the metric's name at the end of the query; "eager": at each
              function, the default of Prometheus servers
    left_closed    ranges and lookback include their left end, as they did before Prometheus 3
    limits    budget in samples, series, points and bytes
    strict    raise `StorageUnavailable` if a database is damaged; otherwise the query skips what it
              cannot read, and its `warnings` name the file and the position
    rollup    use rollups of this resolution for windows of avg, count, first, last, max, min,
              present and sum `_over_time`, `rate`, `increase` and `delta`: a window's end moves
              back, and its length up, to a multiple of it. None: only if the answer is the same
    strict_promql  reject extensions of PromQL
    cache     reuses unchanged steps of earlier range queries over a database; use one cache for
              all queries of a program
    params    values of `$name` outside of quotes, as in `{host=$host}`, `[$window]`, `> $limit`.
              No value can be more than a value; a list goes behind =~, and is escaped

    Raises `QueryError` for an error in the text, `ArgumentError` for other arguments,
    `EvaluationError` if the data does not allow the query, and other errors of `novaql.errors`.
    """
    with parameters.bound(query_text(expr), params) as bound:
        source, options, infos = opening.opened(
            bound.text,
            data,
            time=time,
            start=start,
            end=end,
            step=step,
            lookback=lookback,
            timeout=timeout,
            name_removal=name_removal,
            left_closed=left_closed,
            limits=limits,
            strict=strict,
            rollup=rollup,
            strict_promql=strict_promql,
        )
        return bound.result(opening.answer(bound.text, source, options, infos, cache=cache))


def estimate(
    expr: QueryLike,
    data: Any = None,
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    left_closed: bool = False,
    params: Parameters | None = None,
) -> Estimate:
    """Estimate how many series and samples a query will read, without reading them.

    The arguments are those of `query`. A running query compares the same figures with its `limits`
    before it reads anything.
    """
    times = {"time": time, "start": start, "end": end, "step": step}
    with parameters.bound(query_text(expr), params) as bound:
        source, options, _ = opening.opened(
            bound.text, data, **times, lookback=lookback, left_closed=left_closed
        )
        return engine.estimate(bound.text, source, options)


def analyze(
    expr: QueryLike,
    data: Any = None,
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    timeout: DurationLike | None = "2m",
    limits: Limits | None = None,
    strict: bool = False,
    rollup: DurationLike | None = None,
    strict_promql: bool = False,
    params: Parameters | None = None,
) -> str:
    """Evaluate a query, and return the cost of each operator of its plan, as text.

    Each line is an operator: the series and samples that a selector reads, or an operator returns;
    their bytes; milliseconds including the operators below. For an operator that runs in batches
    inside the one above, the time excludes others, and the bytes are those of the largest block.
    The arguments are those of `query`.
    """
    costs = profile.Profile()
    with parameters.bound(query_text(expr), params) as bound:
        source, options, _ = opening.opened(
            bound.text,
            data,
            time=time,
            start=start,
            end=end,
            step=step,
            lookback=lookback,
            timeout=timeout,
            limits=limits,
            strict=strict,
            rollup=rollup,
            strict_promql=strict_promql,
        )
        engine.evaluate(bound.text, source, options, profile=costs)
    return costs.text()


def why_empty(
    expr: QueryLike,
    data: Any = None,
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    timeout: DurationLike | None = "2m",
    limits: Limits | None = None,
    strict_promql: bool = False,
    params: Parameters | None = None,
) -> WhyEmpty:
    """Return which parts of a query have no data: for each its place in the text, the reason, and
    the nearest names that have data.

    Evaluates parts of the query, at most a hundred, and all within the timeout. The arguments are
    those of `query`.
    """
    with parameters.bound(query_text(expr), params) as bound:
        source, options, _ = opening.opened(
            bound.text,
            data,
            time=time,
            start=start,
            end=end,
            step=step,
            lookback=lookback,
            timeout=timeout,
            limits=limits,
            strict_promql=strict_promql,
        )
        return diagnosis.explain_empty(bound.text, source, options).of(bound)


def format(expr: Expr | QueryLike, *, width: int | None = None, style: Style = "nested") -> str:
    """Return a query in its canonical form: on one line, or with `width` on lines of at most that
    many characters, as far as line breaks allow.

    expr   a text, an expression of `q`, or a tree of `parse`
    style  "pipes": calls and aggregations on top are written as `operand |> function`

    >>> format("sum  by(job)(rate( up[5m] ))")
    'sum by (job) (rate(up[5m]))'

    Raises `QueryError`, `ArgumentError`.
    """
    if style not in ("nested", "pipes"):
        raise ArgumentError("style", "is either 'nested' or 'pipes'")
    if width is not None and width < 1:
        raise ArgumentError("width", "must be greater than 0")
    if isinstance(expr, str | HasQueryText):
        expr = language.parse(query_text(expr))
    return language.format_expr(expr, width=width, style=style)


def warmup(*, background: bool = False, in_child: bool = False) -> dict[str, float]:
    """Prepare the compiled kernels. Returns the seconds that each kernel took.

    Without this call, a process uses NumPy until it has done enough work. The first call on a
    machine compiles the kernels, which takes some seconds; later calls load them from a cache in a
    second. The function does nothing if numba is not installed (`pip install 'novaql[fast]'`), if
    the kernels are ready, or if the environment has `NOVAQL_COMPILED=off`.

    background  prepare them in a separate thread, and return an empty result at once
    in_child    that thread compiles missing kernels in a child process (`novaql warmup`): the
                compiler holds hundreds of megabytes until its process ends
    """
    child = (sys.executable, "-m", "novaql", "warmup") if in_child else ()
    took: dict[str, float] = {}
    for registry in _registries():
        if background:
            registry.prepare_in_background(child=child)
        else:
            took |= registry.prepare()
    return took


def _registries() -> Sequence[Registry]:
    """Every registry of compiled functions, those that most processes need first."""
    return (
        dispatch.KERNELS,
        decoder.PAGES,
        compiling.WALKS,
        compiled_text.TEXTS,
        decoding.CHUNKS,
    )
