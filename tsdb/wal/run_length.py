"""Run-length encoding of large records: ids and times that neighbours share are written once.

Samples that arrive series by series share ids, and those of one target share times. FORMAT.md,
"Samples in runs".
"""

from __future__ import annotations

from struct import Struct

import numpy as np

from novaql.tsdb.codec.columns import Undecodable
from novaql.tsdb.codec.packed import Unpacker, pack
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Bools, Ints

_COUNT = Struct("<I")
IDS_COUNT_UP, ONE_TIME = 1, 2
"""Flags of all records of samples: the ids are consecutive; all samples have one time."""


def encode_runs(ids: Ints, times: Ints) -> tuple[int, bytes]:
    """Return flags and bytes of the series and times of at least one sample, in order of
    arrival."""
    changes = ids[1:] != ids[:-1]
    single = bool(changes.all())  # a sample of each series, as a scrape has
    if single:
        first, lengths, own = np.arange(len(ids)), np.ones(len(ids), np.int64), ids
    else:
        first = np.append(0, np.flatnonzero(changes) + 1)
        lengths = np.diff(first, append=len(ids))
        own = ids[first]
    flags = 0
    if own[-1] - own[0] == len(own) - 1 and bool((np.diff(own) == 1).all()):
        flags |= IDS_COUNT_UP
        own = own[:1]
    pieces = [_COUNT.pack(len(lengths)), pack(lengths, None), pack(own, None)]
    if bool((times == times[0]).all()):
        flags |= ONE_TIME
        times = times[:1]
    else:
        if single:
            same = np.append(False, times[1:] == times[:-1])
        else:
            same = _as_before(times, first, lengths)
        pieces.append(np.packbits(same).tobytes())
        times = times[~same if single else ~np.repeat(same, lengths)]
    return flags, b"".join([*pieces, pack(times, None)])


def _as_before(times: Ints, first: Ints, lengths: Ints) -> Bools:
    """[runs] whether each run has the times of the run before it."""
    same = np.zeros(len(lengths), np.bool_)
    if bool((lengths == lengths[0]).all()):
        rows = times.reshape(len(lengths), -1)
        # The first and the last time distinguish most runs; only the rest is compared as a whole.
        same[1:] = (rows[1:, 0] == rows[:-1, 0]) & (rows[1:, -1] == rows[:-1, -1])
        some = np.flatnonzero(same)
        if len(some) == len(lengths) - 1:
            same[1:] = (rows[1:] == rows[:-1]).all(axis=1)
        else:
            same[some] = (rows[some] == rows[some - 1]).all(axis=1)
        return same
    before = np.append(0, lengths[:-1])
    equal = times == times[np.arange(len(times)) - np.repeat(before, lengths)]
    same[:] = np.logical_and.reduceat(equal, first) & (lengths == before)
    return same


def decode_runs(data: bytes, at: int, flags: int, count: int) -> tuple[Ints, Ints, int]:
    """Return ids and times of `count` samples, and the offset after them.

    Raises `Undecodable`.
    """
    # Values have 8 bytes each, so a damaged count allocates no memory.
    if len(data) - at < 8 * count or count == 0:
        raise Undecodable("a record is cut off")
    source = Unpacker(data, at)
    (runs,) = source.fields(_COUNT)
    if not 0 < runs <= count:
        raise Undecodable(f"{runs} runs of {count} samples")
    lengths = source.ints(runs)
    if int(lengths.min()) < 1 or int(lengths.max()) > count or int(lengths.sum()) != count:
        raise Undecodable("runs do not add up to the samples of a record")
    own = source.ints(1) + np.arange(runs) if flags & IDS_COUNT_UP else source.ints(runs)
    if int(own.min()) < 0 or int(own.max()) >= 1 << 32:
        raise Undecodable("an id is out of range")
    if flags & ONE_TIME:
        times = np.full(count, source.ints(1)[0])
    else:
        bits = np.frombuffer(source.bytes(-(-runs // 8)), np.uint8)
        same = np.unpackbits(bits, count=runs).astype(np.bool_)
        times = _times(source, same, lengths)
    return np.repeat(own, lengths), times, source.at


def _times(source: Unpacker, same: Bools, lengths: Ints) -> Ints:
    if same[0]:
        raise Undecodable("the first run has the times of the one before it")
    fresh = np.flatnonzero(~same)
    flagged = source.ints(int(lengths[fresh].sum()))
    number = np.cumsum(~same) - 1  # index of the run that each one shares times with
    if not (lengths[fresh][number] == lengths).all():
        raise Undecodable("runs of other lengths cannot share times")
    if bool((lengths == lengths[0]).all()):
        return np.ravel(flagged.reshape(len(fresh), -1)[number])
    begins = np.cumsum(lengths[fresh]) - lengths[fresh]
    return np.take(flagged, flat_positions(begins[number], lengths))
