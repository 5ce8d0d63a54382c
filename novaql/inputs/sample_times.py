"""The times that a sample may have: of the years 1 to 9999, which every format can write."""

from __future__ import annotations

from novaql.errors import InputError
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS

REASON = "samples have times from year 1 to 9999"


def first_outside(times: Ints) -> int | None:
    """Index of the first time outside of these years; None if there is none."""
    if len(times) == 0 or (
        int(times.min()) >= FIRST_SAMPLE_MS and int(times.max()) <= LAST_SAMPLE_MS
    ):
        return None
    return int(((times < FIRST_SAMPLE_MS) | (times > LAST_SAMPLE_MS)).argmax())


def out_of_range(time_ms: object) -> InputError:
    """The error for a time in milliseconds."""
    return InputError(f"the time {time_ms} is out of range: {REASON}")


def need_calendar(batch: Batch) -> None:
    """Raises `InputError` for a batch with a time or start timestamp outside of these years."""
    columns = [batch.timestamps, batch.starts]
    if batch.native is not None:
        columns += [batch.native.timestamps, batch.native.starts]
    if batch.exemplars is not None:
        columns.append(batch.exemplars.timestamps)
    for times in columns:
        if times is not None:
            need_times(times)


def need_times(times: Ints) -> None:
    """Raises `InputError` for a time outside of these years."""
    if (at := first_outside(times)) is not None:
        raise out_of_range(int(times[at]))
