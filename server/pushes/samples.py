"""Samples of groups: read a push, store it as bytes, and assign it a time.

The stored form is a message of remote write without times, which also has native histograms.
Messages of several groups are concatenated to one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from itertools import pairwise

import numpy as np

from novaql import LimitExceeded
from novaql.fast_dataclass import dataclass
from novaql.inputs import (
    ExpositionParser,
    LabelLimits,
    RemoteWriteDecoder,
    concat_batches,
    line_blocks,
)
from novaql.inputs.protobuf import ProtobufParser, varint
from novaql.server.clock import to_ms
from novaql.server.ingest.body import Body
from novaql.server.prometheus.read_histograms import histogram_fields
from novaql.server.prometheus.read_messages import encode_samples, label_fields, label_octets
from novaql.tsdb import (
    FIRST_SAMPLE_MS,
    METRIC_NAME,
    STALE,
    Batch,
    Bools,
    LabelColumn,
    Metadata,
    SeriesTable,
    concat_tables,
)

PUSH_TIME, FAILURE_TIME = "push_time_seconds", "push_failure_time_seconds"
_UNTIMED = FIRST_SAMPLE_MS
"""The time of samples without one: the beginning of the year 1, which no client sends."""
_NO_LIMITS = LabelLimits(*[1 << 62] * 6)
"""Of stored groups: the limits of labels applied when they were pushed."""
_SUFFIXES = {
    "_bucket": ("histogram",),
    "_sum": ("histogram", "summary"),
    "_count": ("histogram", "summary"),
}


@dataclass(frozen=True, slots=True)
class Pushed:
    """The metrics of a push, with the labels of its group.

    batch     its samples, one of each series, in the order of the series
    families  names of its metric families → their types
    problem   why the push is rejected; "": it is valid
    """

    batch: Batch
    families: Mapping[str, str]
    metadata: Mapping[str, Metadata] = field(default_factory=dict)
    problem: str = ""


def read_push(
    body: Body, labels: Mapping[str, str], limits: LabelLimits, *, delimited: bool
) -> Generator[None, None, Pushed]:
    """Read a body: metric families in protobuf (`delimited`), or Prometheus text. Yields between
    its blocks. Raises `InputError`, `LimitExceeded` and errors of the body."""
    batches: list[Batch] = []
    parser: ProtobufParser | ExpositionParser
    if delimited:
        parser = ProtobufParser(
            default_time_ms=_UNTIMED, what="body", always_classic=True, starts=False, limits=limits
        )
        blocks = body.slices()
    else:
        parser = ExpositionParser(openmetrics=False, default_time_ms=_UNTIMED, limits=limits)
        blocks = line_blocks(body.slices())
    for block in blocks:
        batches.append(parser.feed(block))
        yield None
    parser.finish()
    found = concat_batches(batches)
    times = (
        found.timestamps
        if found.native is None
        else np.append(found.timestamps, found.native.timestamps)
    )
    batch = _in_group(found, labels)
    limits.check_columns(batch.series)
    if label_octets(batch.series) > body.limit:
        raise LimitExceeded(
            f"the series are larger than {body.limit} bytes with the labels of their group"
        )
    problem = ""
    if (times != _UNTIMED).any():
        problem = "pushed metrics must not have timestamps"
    elif not batch.series.is_distinct():
        problem = "a metric was collected before with the same name and label values"
    types = {name: found.type for name, found in parser.metadata.items()}
    names = batch.series.column(METRIC_NAME).compacted().values[1:]
    families = {family_of(name, types) for name in names}
    return Pushed(
        batch,
        {name: types.get(name, "untyped") for name in families},
        dict(parser.metadata),
        problem,
    )


def family_of(name: str, types: Mapping[str, str]) -> str:
    """Return the family of a series: `h` for `h_bucket` if `h` is a histogram."""
    if name not in types:
        for suffix, kinds in _SUFFIXES.items():
            family = name.removesuffix(suffix)
            if family != name and types.get(family) in kinds:
                return family
    return name


def without_families(batch: Batch, types: Mapping[str, str], pushed: Mapping[str, str]) -> Batch:
    """Return the series of a batch that are in none of the pushed families.

    types, pushed  families of the batch, and those of the push, and their types. A series counts
                   by both: `h_count` is in `h` only for the one that has the type of `h`
    """
    column = batch.series.column(METRIC_NAME)
    of_names = [{family_of(name, types), family_of(name, pushed)} for name in column.values]
    stays = np.array([pushed.keys().isdisjoint(families) for families in of_names])
    return _taken(batch, stays[column.codes])


def merged(one: Batch, other: Batch) -> Batch:
    """Return a batch of the series of two batches that have no series in common."""
    return _in_order(concat_batches([one, other]))


def gone(before: SeriesTable, after: SeriesTable) -> SeriesTable:
    """Return the series that are only in the first table."""
    keys = concat_tables([before, after]).keys()
    return before.take(~np.isin(keys[: len(before)], keys[len(before) :]))


def encoded(batch: Batch) -> bytes:
    """Encode a batch without its times."""
    labels = label_fields(batch.series)
    floats = len(batch.values)
    stream, ends = encode_samples(np.zeros(floats, np.int64), batch.values)
    bounds = [0, *ends.tolist()]
    samples = [stream[a:b] for a, b in pairwise(bounds)]
    if batch.native is not None:
        samples += histogram_fields(
            batch.native.histograms, np.zeros(len(batch.native.timestamps), np.int64)
        )
    pieces: list[bytes] = []
    for of_series, sample in zip(labels, samples, strict=True):
        pieces += (b"\x0a", varint(len(of_series) + len(sample)), of_series, sample)
    return b"".join(pieces)


def decoded(contents: Sequence[bytes]) -> Batch:
    """Decode the series of groups. All of them have the time 0."""
    message = b"".join(contents)
    if not message:
        return concat_batches([])
    return _in_order(RemoteWriteDecoder(limits=_NO_LIMITS).decode_message(message).batch)


def at(batch: Batch, time_ms: int) -> Batch:
    """Return a batch with one time for all samples."""
    native = batch.native
    if native is not None:
        native = replace(native, timestamps=np.full(len(native.timestamps), time_ms))
    return replace(batch, timestamps=np.full(len(batch.values), time_ms), native=native)


def stale(series: SeriesTable, time_ms: int) -> Batch:
    """Return a stale marker for each series."""
    rows = len(series)
    return Batch(series, np.arange(rows), np.full(rows, time_ms), np.full(rows, STALE))


def push_times(
    groups: Sequence[tuple[Mapping[str, str], datetime | None, datetime | None]],
) -> Batch:
    """Return the times of the last push and of the last rejected one of groups, in seconds; 0 for
    none.

    groups  labels, and the two times
    """
    labels = [
        {**labels, METRIC_NAME: name} for labels, *_ in groups for name in (PUSH_TIME, FAILURE_TIME)
    ]
    values = [0.0 if time is None else to_ms(time) / 1000 for _, *times in groups for time in times]
    table = SeriesTable.from_dicts(labels)
    rows = len(table)
    return Batch(table, np.arange(rows), np.zeros(rows, np.int64), np.array(values, np.float64))


def _in_group(batch: Batch, labels: Mapping[str, str]) -> Batch:
    """Return a batch with the labels of a group, and without the series that the server adds."""
    found = _in_order(batch)
    column = found.series.column(METRIC_NAME)
    own = np.array([name in (PUSH_TIME, FAILURE_TIME) for name in column.values])
    found = _taken(found, ~own[column.codes])
    series = found.series
    for name, value in labels.items():
        series = series.with_column(name, LabelColumn.constant(value, len(series)))
    return replace(found, series=series)


def _in_order(batch: Batch) -> Batch:
    """Return a batch whose series are in the order of its samples: floats, then histograms."""
    native = batch.native
    floats, rows = len(batch.values), batch.series_index
    if native is not None:
        rows = np.append(rows, native.series_index)
        native = replace(native, series_index=np.arange(floats, len(rows)), starts=None)
    return Batch(batch.series.take(rows), np.arange(floats), batch.timestamps, batch.values, native)


def _taken(batch: Batch, stays: Bools) -> Batch:
    """Return some series of a batch that is in order."""
    floats = len(batch.values)
    native = batch.native
    if native is not None:
        native = native.take(np.flatnonzero(stays[floats:]))
    some = np.flatnonzero(stays[:floats])
    return _in_order(Batch(batch.series, some, batch.timestamps[some], batch.values[some], native))
