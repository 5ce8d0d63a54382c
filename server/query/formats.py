"""Encode results in the format that the client requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from novaql import ArgumentError, LimitExceeded, QueryError, QueryOptions, Result, export
from novaql.language import ValueType, parse_core, type_of
from novaql.server.http.formats import Format
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.streaming import Piece
from novaql.server.query.answer_memory import Reserve, unlimited

_COLUMN_NAME = 512
"""Bytes of the name of a column in the wide layout, on average. Series share long labels, names of
columns do not."""

TRUNCATED = "results truncated due to limit"


def encode(
    result: Result,
    form: Format,
    options: QueryOptions,
    *,
    limit: int,
    plan: str,
    wide_columns: int | None = None,
    guard_formulas: bool = False,
    memory: AbstractContextManager[Reserve] | None = None,
) -> Iterator[Piece]:
    """Encode the answer, piece by piece.

    plan            plan of the query for the answer; "": none
    wide_columns    for Arrow: the most series of the wide layout, see `Result.arrow`; None: the
                    long layout. Not for a range vector
    guard_formulas  for CSV: see `Result.csv`
    memory          reserves the labels of CSV and of the long layout of Arrow, until the iterator
                    ends or is freed (see `reserving`); None: they are not reserved

    Raises `LimitExceeded` for a result with too many series for the wide layout.
    """
    shown = export.first_series(result, limit)
    if form == "csv":
        return _reserving(
            memory,
            lambda reserve: export.csv_pieces(
                shown, guard_formulas=guard_formulas, reserve=reserve
            ),
        )
    if form == "arrow" and wide_columns is not None:
        return _wide_pieces(shown, wide_columns)
    if form == "arrow":
        return _reserving(memory, lambda reserve: export.long_stream(shown, reserve=reserve))
    return _json_pieces(result, shown, options, plan)


def refuse_range_vector(text: str) -> None:
    """Raise `ArgumentError` for a query whose result has no wide layout, before it is evaluated.

    Evaluation raises and counts the errors of an invalid query.
    """
    try:
        kind = type_of(parse_core(text))
    except QueryError:
        return
    if kind is ValueType.MATRIX:  # the table could have as many rows as there are samples
        reason = "the samples of a range vector have times of their own; take the long layout"
        raise ArgumentError("layout", reason)


def _reserving(
    memory: AbstractContextManager[Reserve] | None,
    pieces_of: Callable[[Reserve], Iterator[Piece]],
) -> Iterator[Piece]:
    with memory or nullcontext(unlimited) as reserve:
        yield from pieces_of(reserve)


def _wide_pieces(shown: Result, most: int) -> Iterator[Piece]:
    if len(shown.series) > most:
        raise LimitExceeded(
            f"the answer has {len(shown.series)} series, the wide layout {most} at most; "
            "take the long layout"
        )
    if (octets := int(export.label_bytes(shown.series).sum())) > most * _COLUMN_NAME:
        raise LimitExceeded(
            f"the names of the columns have {octets} bytes, in the wide layout "
            f"{most * _COLUMN_NAME} at most; take the long layout"
        )
    return export.wide_stream(shown)


def _json_pieces(
    result: Result,
    shown: Result,
    options: QueryOptions,
    plan: str,
) -> Iterator[Piece]:
    truncated = shown is not result
    tail: dict[str, Any] = {
        "warnings": [*result.warnings, *([TRUNCATED] if truncated else [])],
        "infos": result.infos,
        "stats": {
            "series": result.stats.series,
            "samples": result.stats.samples,
            "bytes": result.stats.bytes,
            "ms": {name: round(s * 1000, 3) for name, s in result.stats.seconds.items()},
        },
        "window": {
            "start": options.start_ms / 1000,
            "end": options.end_ms / 1000,
            "step": options.step_ms / 1000,
            "lookback": options.lookback_ms / 1000,
        },
    }
    if plan:
        tail["explain"] = plan
    kind = result.kind.value.encode()
    yield b'{"result_type":"%s","result":' % kind
    yield from export.result_pieces(shown, export.ValueStyle.NUMBER)
    yield b"," + json_bytes(tail)[1:]
