"""A remote-write message with series that are at fault: the sound ones are stored all the same.

A sender that is told 400 does not come again, so one bad series must not cost it the thousands
beside it. Which ones they are is found by reading halves of a part, then halves of those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from novaql import InputError
from novaql.server.ingest.write_parts import Part, Parts
from novaql.text import excerpt
from novaql.tsdb import Batch, Metadata

MOST_AT_FAULT = 50
"""A message with more series that are at fault is refused as a whole."""
MOST_WORK = 16
"""So is one for which more than so many times the bytes of a part would have to be read …"""
FREE_WORK = 1 << 17
"""… and this many beside."""
_NAMED = 3
_PLACE = re.compile(r"^(time series at )?byte \d+: ")
"""Where in the part of the message that was read, which says nothing of the whole one."""


@dataclass(frozen=True, slots=True)
class Read:
    """What one part brings."""

    batch: Batch
    metadata: dict[str, Metadata]
    octets: int


class SoundSeries:
    """Reads the parts of one message, and notes which series are left out."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._first: InputError | None = None
        self._series = 0
        self._sound = False

    def of(self, parts: Parts) -> Iterator[Read | None]:
        """What is sound; None where there is nothing yet.

        Raises `InputError` where a fault is no matter of single series, or of too many of them, and
        `LimitExceeded`.
        """
        for part in parts:
            if part is None:
                yield None
                continue
            try:
                request = part.read()
            except InputError as fault:
                self._first = self._first or fault
                if not part.whole:
                    raise
                yield from self._halves(part)
            else:
                self._sound = True
                self._series += part.series
                yield Read(request.batch, request.metadata, part.octets)

    def _halves(self, part: Part) -> Iterator[Read | None]:
        assert self._first is not None
        places = part.places()
        if not places:
            raise self._first
        if part.rest is not None:
            rest = part.rest()
            yield Read(rest.batch, rest.metadata, 0)
        work = MOST_WORK * part.octets + FREE_WORK
        waiting = [(0, len(places))]
        while waiting:
            begin, end = waiting.pop()
            work -= sum(stop - start for start, stop in places[begin:end])
            if work < 0 or len(self._faults) > MOST_AT_FAULT:
                raise self._first
            try:
                request = part.some(begin, end)
            except InputError as problem:
                if end - begin == 1:
                    number = self._series + begin + 1
                    self._faults.append(f"number {number}: {_PLACE.sub('', excerpt(str(problem)))}")
                else:
                    middle = (begin + end) // 2
                    waiting += [(middle, end), (begin, middle)]
            else:
                self._sound = True
                octets = sum(stop - start for start, stop in places[begin:end])
                yield Read(request.batch, request.metadata, octets)
        self._series += len(places)

    def need_some(self) -> None:
        """Raises the first fault if nothing was sound."""
        if self._first is not None and not self._sound:
            raise self._first

    def left_out(self) -> str:
        """In words what was left out; "" if nothing was."""
        if not self._faults:
            return ""
        left_out = "1 is" if len(self._faults) == 1 else f"{len(self._faults)} are"
        more = "; …" if len(self._faults) > _NAMED else ""
        reasons = "; ".join(self._faults[:_NAMED])
        return f"partial write: of {self._series} time series {left_out} left out: {reasons}{more}"
