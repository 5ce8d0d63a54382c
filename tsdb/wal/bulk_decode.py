"""Decodes many small records of samples at once: for a record of one scrape, the overhead of a
single decode dominates."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

import numpy as np

from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.wal.record import KIND, SAMPLES
from novaql.tsdb.wal.run_length import IDS_COUNT_UP, ONE_TIME

_ID, _TIME = Struct("<I"), Struct("<q")


def is_plain(payload: bytes) -> bool:
    """Whether this is a record of samples without start timestamps, of exactly the length that its
    header states.

    `record.decode` decodes other records, or raises.
    """
    if len(payload) < KIND.size:
        return False
    kind, flags, _, count = KIND.unpack_from(payload)
    if kind != SAMPLES or flags & ~(IDS_COUNT_UP | ONE_TIME) or count == 0:
        return False
    ids = 1 if flags & IDS_COUNT_UP else count
    times = 1 if flags & ONE_TIME else count
    return bool(len(payload) == KIND.size + 4 * ids + 8 * times + 8 * count)


def decode_plain_records(payloads: Sequence[bytes]) -> FloatSamples:
    """Return the samples of at least one plain record, all with the same flags, in order of
    arrival."""
    flags = payloads[0][1]
    counts = [KIND.unpack_from(payload)[3] for payload in payloads]
    lengths = np.array(counts, np.int64)
    at = KIND.size
    if flags & IDS_COUNT_UP:
        first = np.array([_ID.unpack_from(payload, at)[0] for payload in payloads], np.int64)
        begins = np.cumsum(lengths) - lengths
        ids = np.repeat(first - begins, lengths) + np.arange(int(lengths.sum()))
        ends = [at + _ID.size] * len(payloads)
    else:
        ends = [at + _ID.size * count for count in counts]
        pieces = (payload[at:end] for payload, end in zip(payloads, ends, strict=True))
        ids = np.frombuffer(b"".join(pieces), "<u4").astype(np.int64)
    if flags & ONE_TIME:
        flagged = [_TIME.unpack_from(p, end)[0] for p, end in zip(payloads, ends, strict=True)]
        times = np.repeat(np.array(flagged, np.int64), lengths)
    else:
        pieces = (p[e : e + 8 * n] for p, e, n in zip(payloads, ends, counts, strict=True))
        times = np.frombuffer(b"".join(pieces), "<i8")
    values = (p[-8 * count :] for p, count in zip(payloads, counts, strict=True))
    return FloatSamples(ids, times, np.frombuffer(b"".join(values), "<f8"))
