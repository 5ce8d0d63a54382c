"""The data of a query, the default times if the caller names none, and the answer."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from novaql.cancellation import Cancellation
from novaql.engine import evaluate, selects_data
from novaql.errors import ArgumentError
from novaql.inputs.addresses import is_url
from novaql.inputs.resolve import NO_DATA, as_source
from novaql.inputs.tables.table_source import TableSource
from novaql.lazy_exports import lazy_module
from novaql.options import QueryOptions, query_options
from novaql.result import Result
from novaql.result_cache import ResultCache
from novaql.text.times import time_text
from novaql.timeparse import is_relative
from novaql.tsdb.model.source import MAX_TIME_MS, Source

if TYPE_CHECKING:
    from novaql import diagnosis
else:  # only empty answers need it
    diagnosis = lazy_module("novaql.diagnosis")

Notes = tuple[str, ...]


def opened(text: str, data: Any, **arguments: Any) -> tuple[Source, QueryOptions, Notes]:
    """Return the source of a query, its options, and infos about default times.

    arguments  those of `query_options`

    Errors of the text and the arguments are raised before any data is opened.
    """
    began_ms = _now_ms()
    selects = selects_data(text)
    query_options(**arguments, now_ms=began_ms, last_ms=MAX_TIME_MS)
    source = as_source(data, now_ms=began_ms) if selects or data is not None else NO_DATA
    options, infos = timed(data, source, began_ms, **arguments)
    return source, options, infos


def timed(
    data: Any, source: Source, opened_ms: int, **arguments: Any
) -> tuple[QueryOptions, Notes]:
    """Return the options of a query, and infos about default times.

    The default of `time` and `end` is `last_sample_ms`, else now. A relative `start` counts from
    the default of `end`.

    source     what `data` names
    opened_ms  when it was opened; it is the time of samples of files that name none
    """
    now_ms = _now_ms()  # after pages were read, whose samples may have later times
    missing = "time" if arguments.get("start") is None else "end"
    last_ms = last_sample_ms(data, source) if arguments.get(missing) is None else None
    start = arguments.get("start")
    counted = last_ms is not None and is_relative(start)
    options = query_options(**arguments, now_ms=last_ms if counted else now_ms, last_ms=last_ms)
    if last_ms is None or last_ms == opened_ms:
        return options, ()
    info = f"NovaQL info: {missing} is {time_text(last_ms)}, that of the last sample of the data"
    return options, (f"{info}; start {start} counts from it" if counted else info,)


def last_sample_ms(data: Any, source: Source) -> int | None:
    """Return the time of the last sample of files and frames; None if there are no samples, and for
    all data that grows: databases, servers, pages, folders of Prometheus."""
    if isinstance(source, TableSource) and is_url(data):
        return None
    # Sources that get no more samples have it: `TableSource`, or `ParquetSource`, which loads late.
    of_source: Callable[[], int | None] | None = getattr(source, "last_sample_ms", None)
    return None if of_source is None else of_source()


def answer(
    text: str,
    source: Source,
    options: QueryOptions,
    infos: Notes,
    *,
    cache: ResultCache | None = None,
    cancellation: Cancellation | None = None,
) -> Result:
    """Return the result of a query, with the warnings of its source, the infos of its times, and
    those of `with_hints` if it is empty.

    infos  as `timed` returns them
    """
    _check_cache(cache)
    result = evaluate(text, source, options, cache=cache, cancellation=cancellation)
    notes: Notes = getattr(source, "notes", ())
    if notes or infos:
        warnings, infos = (*result.warnings, *notes), (*infos, *result.infos)
        result = replace(result, warnings=warnings, infos=infos)
    return result if len(result) else diagnosis.with_hints(result, text, source, options)


def _now_ms() -> int:
    return int(clock.time() * 1000)


def _check_cache(cache: object) -> None:
    if not isinstance(cache, ResultCache | None):
        kind = type(cache).__name__
        raise ArgumentError("cache", f"is a novaql.ResultCache(…), this is {kind}")
