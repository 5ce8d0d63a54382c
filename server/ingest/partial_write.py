"""A remote-write message with series that are at fault: the sound ones are stored all the same.

A sender that is told 400 does not come again, so one bad series must not cost it the thousands
beside it. Which ones they are is found by reading halves of the message, then halves of those.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from novaql.errors import InputError, LimitExceeded
from novaql.excerpt import excerpt
from novaql.inputs.protobuf_wire import BYTES, fields
from novaql.inputs.write_request import WriteRequest

MOST_AT_FAULT = 50
"""A message with more series that are at fault is refused as a whole."""
MOST_WORK = 16
"""So is one for which more than so many times its bytes would have to be read …"""
FREE_WORK = 1 << 17
"""… and this many beside."""
_NAMED = 3
_PLACE = re.compile(r"^(time series at )?byte \d+: ")
"""Where in the part of the message that was read, which says nothing of the whole one."""
Decode = Callable[[bytes], WriteRequest]


@dataclass(frozen=True, slots=True)
class Partial:
    """What is sound in a message, and in words what was left out."""

    request: WriteRequest
    left_out: str


def sound_part(data: bytes, series_field: int, decode: Decode, whole_fault: InputError) -> Partial:
    """What can be read of an unpacked message that cannot be read as a whole.

    series_field  number of the field that a time series is
    whole_fault   why not; raised where it is no matter of single series, or of too many
    """
    rest, series = _split(data, series_field)
    if len(series) < 2:
        raise whole_fault
    work = MOST_WORK * len(data) + FREE_WORK
    sound: list[bytes] = []
    faults: list[str] = []
    waiting = [(0, len(series))]
    while waiting:
        begin, end = waiting.pop()
        message = rest + b"".join(series[begin:end])
        work -= len(message)
        if work < 0 or len(faults) > MOST_AT_FAULT:
            raise whole_fault
        try:
            decode(message)
        except LimitExceeded:
            raise
        except InputError as problem:
            if end - begin == 1:
                faults.append(f"number {begin + 1}: {_PLACE.sub('', excerpt(str(problem)))}")
            else:
                middle = (begin + end) // 2
                waiting += [(middle, end), (begin, middle)]
        else:
            sound += series[begin:end]
    if not sound:
        raise whole_fault
    # Each may be sound and they be at odds with one another, then this raises.
    request = decode(rest + b"".join(sound))
    return Partial(request, _in_words(faults, len(series)))


def _split(data: bytes, series_field: int) -> tuple[bytes, list[bytes]]:
    """Time series, each with its key, and everything else. Raises `InputError`."""
    rest: list[bytes] = []
    series: list[bytes] = []
    at = 0
    for number, kind, _, stop in fields(data, 0, len(data)):
        (series if number == series_field and kind == BYTES else rest).append(data[at:stop])
        at = stop
    return b"".join(rest), series


def _in_words(faults: list[str], count: int) -> str:
    left_out = "1 is" if len(faults) == 1 else f"{len(faults)} are"
    more = "; …" if len(faults) > _NAMED else ""
    reasons = "; ".join(faults[:_NAMED])
    return f"partial write: of {count} time series {left_out} left out: {reasons}{more}"
