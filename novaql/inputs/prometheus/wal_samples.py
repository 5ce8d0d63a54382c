"""Records of samples → arrays: sample k of all records of a segment at once.

A record begins with the series and the time of its first sample; each sample has its differences to
these.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.prometheus.varints import Octets, bigendian, padded, varints
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.compiled import Functions

_SMALLEST = 10  # bytes of a sample
_HEAD = 17  # the kind of the record, a reference, a time


@dataclass(frozen=True, slots=True, eq=False)
class LoggedSamples:
    """[N] in order of the log: the log's reference of each series, times, values."""

    references: Ints
    times: Ints
    values: Floats

    @classmethod
    def none(cls) -> LoggedSamples:
        zero = np.zeros(0, np.int64)
        return cls(zero, zero, np.zeros(0))

    @classmethod
    def joined(cls, parts: Sequence[LoggedSamples]) -> LoggedSamples:
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([part.references for part in parts]),
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.values for part in parts]),
        )


def read_samples(records: Sequence[bytes], compiled: Functions | None = None) -> LoggedSamples:
    """Samples of whole records. A record that ends inside a sample raises `ValueError`.

    compiled  the compiled decoders; None: decode in NumPy
    """
    records = [record for record in records if len(record) > _HEAD]
    if not records:
        return LoggedSamples.none()
    sizes = np.fromiter((len(record) for record in records), np.int64, len(records))
    data = padded(b"".join(records))
    end = np.cumsum(sizes)
    begin = end - sizes + _HEAD
    if compiled is None:
        return _in_step(data, begin, end)
    most = int((sizes - _HEAD).sum()) // _SMALLEST + 1
    references, times = np.empty(most, np.int64), np.empty(most, np.int64)
    bits = np.empty(most, np.uint64)
    count = compiled.decode_logged(data, begin, end, references, times, bits)
    if count < 0:
        raise ValueError("a record of samples is cut off")
    return LoggedSamples(references[:count], times[:count], bits[:count].view(np.float64))


def _in_step(data: Octets, at: Ints, end: Ints) -> LoggedSamples:
    reference = bigendian(data, at - 16).view(np.int64)
    time = bigendian(data, at - 8).view(np.int64)
    record = np.arange(len(end))
    found: list[tuple[Ints, Ints, Ints, Ints]] = []
    while len(record):
        by, behind = varints(data, at)
        later, behind = varints(data, behind)
        bits = bigendian(data, behind).view(np.int64)
        at = behind + 8
        found.append((record, reference + by, time + later, bits))
        if (at > end).any():
            raise ValueError("a record of samples is cut off")
        goes_on = at < end
        if not goes_on.all():
            at, end, record = at[goes_on], end[goes_on], record[goes_on]
            reference, time = reference[goes_on], time[goes_on]
    owner, references, times, values = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(owner, kind="stable")  # inside a record they are in order already
    return LoggedSamples(references[order], times[order], values[order].view(np.float64))
