"""save(): samples of anything that can be queried, as a file that other programs read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from novaql.errors import ArgumentError, StorageUnavailable
from novaql.export.destination import whole_file
from novaql.export.stored import text_families
from novaql.export.stored.selecting import select_any
from novaql.fast_dataclass import dataclass
from novaql.inputs.resolve import as_source
from novaql.lazy_exports import lazy_module
from novaql.options import time_window
from novaql.selectors import matcher_sets, regex_literal
from novaql.timeparse import TimeLike
from novaql.tsdb.errors import StoreError
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.source import Hints, Metadata, Selection, Source

if TYPE_CHECKING:
    from novaql.export.stored import tables, text_lines
else:
    tables = lazy_module("novaql.export.stored.tables")  # both load pyarrow
    text_lines = lazy_module("novaql.export.stored.text_lines")


class SampleFormat(StrEnum):
    """Formats of saved samples."""

    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"
    OPENMETRICS = "openmetrics"
    TEXT = "text"
    JSON_LINES = "json-lines"


SUFFIXES: Mapping[str, SampleFormat] = {
    ".parquet": SampleFormat.PARQUET,
    ".pq": SampleFormat.PARQUET,
    ".arrow": SampleFormat.ARROW,
    ".arrows": SampleFormat.ARROW,
    ".csv": SampleFormat.CSV,
    ".om": SampleFormat.OPENMETRICS,
    ".openmetrics": SampleFormat.OPENMETRICS,
    ".prom": SampleFormat.TEXT,
    ".txt": SampleFormat.TEXT,
    ".jsonl": SampleFormat.JSON_LINES,
    ".ndjson": SampleFormat.JSON_LINES,
}
TABLES = (SampleFormat.PARQUET, SampleFormat.ARROW)


@dataclass(frozen=True, slots=True)
class Saved:
    """The content of a saved file, and what it omits.

    samples, series  in the file
    left_out         samples that the format cannot represent: native histograms, and, in text
                     formats, staleness markers
    read_errors      damaged parts of the database that were skipped
    """

    samples: int
    series: int
    left_out: int = 0
    read_errors: tuple[str, ...] = ()


def save(
    data: Any,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    match: str | Sequence[str] = (),
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    format: SampleFormat | str | None = None,
    layout: str = "long",
    strict: bool = True,
) -> Saved:
    """Write samples to a file, completely or not at all.

    data        as for `query`; None: the default database
    target      a path, or an open binary file
    match       selectors; the file contains series that match any of them. Default: all series
    start, end  time range of the samples, both ends included
    format      "parquet", "arrow" (an IPC stream), "csv", "openmetrics", "text" (Prometheus's),
                "json-lines" (VictoriaMetrics'); None: by the suffix of the path
    layout      "long": a row for each sample; "wide" (Parquet and Arrow): a row for each time and
                set of labels, a column for each metric
    strict      raise if a database is damaged; else write what is readable, see `Saved.read_errors`

    Parquet and Arrow in the long layout preserve everything: floats with NaN payloads, staleness
    markers, native histograms, start timestamps; and type, help and unit of metrics. `query` and
    imports read all formats.

    Raises `ArgumentError`, `QueryError` for a selector, `StorageUnavailable`, `OSError`.
    """
    chosen = _format(format, target)
    if layout not in ("long", "wide"):
        raise ArgumentError("layout", "is either 'long' or 'wide'")
    if layout == "wide" and chosen not in TABLES:
        raise ArgumentError(
            "layout", f"{chosen} has only the long one; Parquet and Arrow have both"
        )
    sets = matcher_sets([match] if isinstance(match, str) else list(match))
    window = time_window(start, end)
    source = as_source(data)
    file = whole_file(target) if isinstance(target, str | os.PathLike) else nullcontext(target)
    try:
        wanted = _Wanted(source, sets, window, strict=strict)
        with file as out:
            if chosen in TABLES:
                return wanted.save_table(
                    out, parquet=chosen is SampleFormat.PARQUET, wide=layout == "wide"
                )
            if chosen in (SampleFormat.OPENMETRICS, SampleFormat.TEXT):
                return wanted.save_families(out, openmetrics=chosen is SampleFormat.OPENMETRICS)
            return wanted.save_lines(out, as_json=chosen is SampleFormat.JSON_LINES)
    except StoreError as problem:
        raise StorageUnavailable(str(problem)) from problem


class _Wanted:
    """The samples to save."""

    def __init__(
        self,
        source: Source,
        sets: list[list[Matcher]],
        window: tuple[int, int],
        *,
        strict: bool,
    ) -> None:
        self._source, self._sets, self._window = source, sets, window
        self._read_errors = None if strict else ReadErrors()
        self._series = self._select(*window).series

    def save_table(self, out: BinaryIO, *, parquet: bool, wide: bool) -> Saved:
        known = self._known()
        if wide:
            form = tables.WideForm(self._series, self._select)
            batches = form.batches(*self._window)
            tables.write_table(form.schema, batches, out, parquet=parquet, metadata=known)
            return self._saved(form.samples, form.left_out)
        selection = self._select(*self._window)
        samples = tables.StoredSamples(selection, starts=selection.starts)
        done = tables.write_table(
            samples.schema, samples.batches(), out, parquet=parquet, metadata=known
        )
        return self._saved(done, 0)

    def _known(self) -> dict[str, Metadata]:
        """Return the metadata of the written metrics, and of families that they may belong to."""
        names = {*self._series.column(METRIC_NAME).compacted().values}
        bases = {name.rpartition("_")[0] for name in names}
        known = self._source.metadata()
        return {name: one for name, one in known.items() if name in names | bases}

    def save_lines(self, out: BinaryIO, *, as_json: bool) -> Saved:
        samples = self._samples()
        written = 0
        for count, lines in (text_lines.json_lines if as_json else text_lines.csv_lines)(samples):
            out.write(lines)
            written += count
        return self._saved(written, samples.selection.samples - written)

    def save_families(self, out: BinaryIO, *, openmetrics: bool) -> Saved:
        names = self._series.column(METRIC_NAME)
        present = [names.values[code] for code in np.unique(names.codes).tolist()]
        written = selected = 0
        for family in text_families.families_of(
            present, self._source.metadata(), openmetrics=openmetrics
        ):
            head = family.head(openmetrics=openmetrics)
            samples = self._samples([_any_of(METRIC_NAME, family.parts)])
            selected += samples.selection.samples
            for count, lines in text_lines.family_lines(samples, family, openmetrics=openmetrics):
                out.write(head.encode() + lines)
                written, head = written + count, ""
        if openmetrics:
            out.write(b"# EOF\n")
        return self._saved(written, selected - written)

    def _samples(self, also: Sequence[Matcher] = ()) -> tables.StoredSamples:
        return tables.StoredSamples(self._select(*self._window, also))

    def _select(self, start_ms: int, end_ms: int, also: Sequence[Matcher] = ()) -> Selection:
        sets = [[*one, *also] for one in self._sets or [[]]]
        return select_any(
            self._source, sets, start_ms, end_ms, Hints(read_errors=self._read_errors)
        )

    def _saved(self, samples: int, left_out: int) -> Saved:
        warnings = () if self._read_errors is None else self._read_errors.warnings()
        series = len(np.unique(self._series.keys()))  # two selectors may find one
        return Saved(samples, series, left_out, warnings)


def _any_of(name: str, texts: Sequence[str]) -> Matcher:
    if len(texts) == 1:
        return Matcher(name, MatchOp.EQUAL, texts[0])
    return Matcher(name, MatchOp.REGEX, "|".join(map(regex_literal, texts)))


def _format(given: SampleFormat | str | None, target: object) -> SampleFormat:
    known = ", ".join(SampleFormat)
    if given is not None:
        try:
            return SampleFormat(given)
        except ValueError:
            raise ArgumentError("format", f"is one of {known}, not {given!r}") from None
    suffix = Path(target).suffix.lower() if isinstance(target, str | os.PathLike) else ""
    found = SUFFIXES.get(suffix)
    if found is None:
        what = f"{suffix} is no format" if suffix else "the path has no suffix"
        raise ArgumentError("format", f"{what}; name one of {known}")
    return found
