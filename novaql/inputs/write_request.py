"""What a remote write message brings, and what every version of it must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from novaql.errors import InputError
from tsdb.labels import Ints
from tsdb.selection import MAX_TIME_MS, MIN_TIME_MS, Metadata
from tsdb.tile import Batch


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What one message brings.

    histograms  how many native histograms are in the batch
    """

    batch: Batch
    metadata: dict[str, Metadata]
    histograms: int = 0


def need_storable(times: Ints, of_histograms: Sequence[int] = ()) -> None:
    """Raises `InputError` for a time that no sample can have."""
    if len(times) and not MIN_TIME_MS <= int(times.min()) <= int(times.max()) <= MAX_TIME_MS:
        outside = times[(times > MAX_TIME_MS) | (times < MIN_TIME_MS)]
        raise InputError(f"the time {outside[0]} is out of range")
    for time in of_histograms:
        if not MIN_TIME_MS <= time <= MAX_TIME_MS:
            raise InputError(f"the time {time} is out of range")
