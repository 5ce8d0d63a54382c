"""Lines of text: Prometheus text and OpenMetrics, CSV, and JSON lines as VictoriaMetrics has them.

Texts have less than tables: staleness markers and native histograms are omitted, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from novaql.export.arrow_arrays import booleans, numbers, strings
from novaql.export.columns import TIME, VALUE
from novaql.export.labels_json import label_bytes
from novaql.export.stored.samples import Piece, StoredSamples
from novaql.export.stored.text_families import Family
from novaql.export.text_cells import (
    NOTHING,
    compute,
    csv_cell,
    csv_rows,
    joined_bytes,
    time_cells,
    value_texts,
)
from novaql.text.labels import exposed_text
from novaql.text.times import time_texts
from novaql.tsdb.model.labels import METRIC_NAME, Ints
from novaql.tsdb.model.samples import is_stale

_SPACE, _LINE = strings([" ", "\n"])
_BLOCK, _BLOCK_BYTES = 1 << 17, 64 << 20


def family_lines(
    samples: StoredSamples, family: Family, *, openmetrics: bool
) -> Iterator[tuple[int, bytes]]:
    """How many samples, and their lines; all of them are of one family."""
    series = samples.series
    texts = strings([exposed_text(labels) for labels in series])
    most = _most_samples(samples)
    pieces: Iterator[Piece] = (_unmarked(p) for p in samples.pieces(floats_only=True))
    if family.is_whole:
        pieces = iter(_together(list(pieces), samples, family))
    for piece in pieces:
        for part in _blocks(piece, most):
            lines = compute.binary_join_element_wise(
                texts.take(numbers(part.row, pa.int64())),
                value_texts(part.values),
                time_cells(part.times_ms, _seconds if openmetrics else _milliseconds),
                _SPACE,
            )
            lines = compute.binary_join_element_wise(lines, NOTHING, _LINE)
            yield len(part), joined_bytes(lines)


def csv_lines(samples: StoredSamples) -> Iterator[tuple[int, bytes]]:
    """The header, then one line a sample."""
    yield 0, (",".join(map(csv_cell, [TIME, VALUE, *samples.labels])) + "\r\n").encode()
    columns = [samples.series.column(label).compacted() for label in samples.labels.values()]
    cells = [strings([csv_cell(text) for text in column.values]) for column in columns]
    most = _most_samples(samples)
    for piece in samples.pieces(floats_only=True):
        for part in _blocks(_unmarked(piece), most):
            labels = (
                texts.take(numbers(column.codes[part.row], pa.int32()))
                for texts, column in zip(cells, columns, strict=True)
            )
            times = time_cells(part.times_ms, time_texts)
            yield len(part), csv_rows(times, value_texts(part.values), *labels)


def json_lines(samples: StoredSamples) -> Iterator[tuple[int, bytes]]:
    """One line a series, or several if it has very many samples."""
    heads = [orjson.dumps(labels) for labels in samples.series]
    for piece in samples.pieces(floats_only=True):
        for part in _blocks(_unmarked(piece), _BLOCK):
            values = value_texts(part.values)
            odd = np.flatnonzero(~np.isfinite(part.values))
            if len(odd):
                places = np.zeros(len(part), np.bool_)
                places[odd] = True
                words: Any = values.take(numbers(odd, pa.int64())).to_pylist()
                quoted = strings([_JSON_TEXTS[text] for text in words])
                values = compute.replace_with_mask(values, booleans(places), quoted)
            first = np.flatnonzero(np.diff(part.row, prepend=-1))
            bounds = np.append(first, len(part)).tolist()
            times = part.times_ms.tolist()
            texts: Any = values.to_pylist()
            lines = [
                b'{"metric":%b,"values":[%b],"timestamps":[%b]}\n'
                % (
                    heads[row],
                    ",".join(texts[begin:end]).encode(),
                    ",".join(map(str, times[begin:end])).encode(),
                )
                for row, begin, end in zip(
                    part.row[first].tolist(), bounds[:-1], bounds[1:], strict=True
                )
            ]
            yield len(part), b"".join(lines)


_JSON_TEXTS = {"NaN": '"NaN"', "+Inf": '"Infinity"', "-Inf": '"-Infinity"'}


def _milliseconds(times_ms: Ints) -> list[str]:
    return [str(ms) for ms in times_ms.tolist()]


def _seconds(times_ms: Ints) -> list[str]:
    return [_second_text(ms) for ms in times_ms.tolist()]


def _second_text(ms: int) -> str:
    whole, part = divmod(abs(ms), 1000)
    sign = "-" if ms < 0 else ""
    return f"{sign}{whole}.{part:03d}" if part else f"{sign}{whole}"


def _unmarked(piece: Piece) -> Piece:
    stale = is_stale(np.ascontiguousarray(piece.values))
    if not stale.any():
        return piece
    return Piece(piece.row[~stale], piece.times_ms[~stale], piece.values[~stale])


def _most_samples(samples: StoredSamples) -> int:
    """In a block, whose lines repeat the labels: so many that it has some dozen megabytes."""
    widest = int(label_bytes(samples.series).max(initial=0))
    return max(1, min(_BLOCK, _BLOCK_BYTES // (widest + 1)))


def _blocks(piece: Piece, most: int) -> Iterator[Piece]:
    for first in range(0, len(piece), most):
        some = slice(first, first + most)
        yield Piece(piece.row[some], piece.times_ms[some], piece.values[some])


def _together(pieces: list[Piece], samples: StoredSamples, family: Family) -> list[Piece]:
    """One piece in which the samples of one metric and time are adjacent, buckets first."""
    if not pieces:
        return []
    row = np.concatenate([piece.row for piece in pieces])
    times = np.concatenate([piece.times_ms for piece in pieces])
    values = np.concatenate([piece.values for piece in pieces])
    bound = "quantile" if family.known.type == "summary" else "le"
    metric = samples.series.drop([METRIC_NAME, bound]).keys()
    order = np.lexsort((_bounds(samples, bound)[row], _part(samples)[row], times, metric[row]))
    return [Piece(row[order], times[order], values[order])]


def _part(samples: StoredSamples) -> Ints:
    names = samples.series.column(METRIC_NAME).compacted()  # _bucket < _count < _sum, by name
    return names.codes.astype(np.int64)


def _bounds(samples: StoredSamples, label: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    column = samples.series.column(label)

    def number(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return np.inf

    return np.array([number(text) for text in column.values])[column.codes]
