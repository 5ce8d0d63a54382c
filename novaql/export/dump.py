"""Every sample of a source as lines of text, some series at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import orjson

from novaql.fast_dataclass import dataclass
from novaql.text.floats import float_tokens
from novaql.text.histograms import histogram_texts
from novaql.text.labels import series_text
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import is_stale
from novaql.tsdb.model.source import Hints, Selection, Source

TEXT, JSON_LINES = "text", "jsonl"
STALE = b"stale"
_WORDS = {b"NaN": b'"NaN"', b"+Inf": b'"+Inf"', b"-Inf": b'"-Inf"'}


@dataclass
class LeftOut:
    """Samples that the format cannot express: counted, so that the caller can report them."""

    markers: int = 0
    histograms: int = 0


def dumped(
    source: Source,
    matchers: Sequence[Matcher],
    start_ms: int,
    end_ms: int,
    form: str,
    read_errors: ReadErrors,
    left_out: LeftOut,
) -> Iterator[list[str]]:
    """Lines of text, some at a time: a sample a line, or for `JSON_LINES` a series a line.

    read_errors    what could not be read, known once the last lines have come
    left_out  counts what JSON lines cannot express: staleness markers and native histograms
    """
    found = source.select(matchers, start_ms, end_ms, Hints(read_errors=read_errors))
    for view in found.views():
        flat = view.ragged()
        if form == JSON_LINES:
            left_out.markers += int(np.count_nonzero(is_stale(flat.values)))
            yield _json_lines(found, flat)
        else:
            yield _text_lines(found, flat)
    for native in found.histograms:
        held = native.load()
        if form == JSON_LINES:
            left_out.histograms += len(held.timestamps)
            continue
        names = [series_text(found.series.labels(row)) for row in held.rows.tolist()]
        owner = np.repeat(np.arange(len(names)), np.diff(held.offsets)).tolist()
        texts = histogram_texts(held.histograms)
        times = held.timestamps.tolist()
        yield [
            f"{names[number]} {text} {time}\n"
            for number, text, time in zip(owner, texts, times, strict=True)
        ]


def _text_lines(found: Selection, flat: SeriesView) -> list[str]:
    values = _tokens(flat, STALE)
    times = orjson.dumps(flat.timestamps, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    lines = []
    bounds = flat.bounds.tolist()
    for row, first, end in zip(flat.rows.tolist(), bounds[:-1], bounds[1:], strict=True):
        head = series_text(found.series.labels(row)).encode()
        # One join for all samples of a series.
        parts = [head, b" ", b"", b" ", b"", b"\n"] * (end - first)
        parts[2::6] = values[first:end]
        parts[4::6] = times[first:end]
        lines.append(b"".join(parts).decode())
    return lines


def _tokens(flat: SeriesView, stale: bytes) -> list[bytes]:
    values = float_tokens(flat.values)
    for at in np.flatnonzero(is_stale(flat.values)).tolist():
        values[at] = stale
    return values


def _json_lines(found: Selection, flat: SeriesView) -> list[str]:
    present = ~is_stale(flat.values)
    values, times = flat.values[present], flat.timestamps[present]
    tokens = float_tokens(values)
    for at in np.flatnonzero(~np.isfinite(values)).tolist():
        tokens[at] = _WORDS[tokens[at]]
    for at in np.flatnonzero((values == 0) & np.signbit(values)).tolist():
        tokens[at] = b"-0.0"  # many readers take -0 for a whole number, which has no sign
    bounds = np.append(0, np.cumsum(present))[flat.bounds].tolist()
    lines = []
    for row, first, end in zip(flat.rows.tolist(), bounds[:-1], bounds[1:], strict=True):
        if end > first:
            metric = orjson.dumps(found.series.labels(row)).decode()
            stamps = orjson.dumps(times[first:end], option=orjson.OPT_SERIALIZE_NUMPY).decode()
            numbers = b",".join(tokens[first:end]).decode()
            lines.append(f'{{"metric":{metric},"values":[{numbers}],"timestamps":{stamps}}}\n')
    return lines
