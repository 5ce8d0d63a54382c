"""Remote-write messages with invalid series: the server stores the valid ones.

A client does not retry after a 400, so one invalid series must not lose the others of the message.
A bisection of a part finds its invalid series.
"""

from __future__ import annotations

import re

from novaql import InputError
from novaql.inputs import WriteRequest
from novaql.server.ingest.spool import Incoming, Slices
from novaql.server.ingest.write_parts import Part, Parts
from novaql.text import excerpt

MOST_AT_FAULT = 50
"""A message with more invalid series is rejected as a whole."""
MOST_WORK = 16
"""Limit of the bisection: it decodes at most `MOST_WORK` times the bytes of the part …"""
FREE_WORK = 1 << 17
"""… plus this number of bytes. Above it, the message is rejected as a whole."""
_NAMED = 3
_PLACE = re.compile(r"^(time series at )?byte \d+: ")
"""A position in the part, which error messages omit: it is not a position in the message."""


class ValidSeries:
    """Reads the parts of one message, and collects the errors of invalid series."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._first: InputError | None = None
        self._series = 0
        self._sound = False

    def of(self, parts: Parts) -> Slices:
        """Read the valid series; None: yield to other bodies.

        Raises `LimitExceeded`, and `InputError` for a fault outside of series or for too many
        invalid series.
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
                yield _incoming(request, part.octets)

    def _halves(self, part: Part) -> Slices:
        assert self._first is not None
        places = part.places()
        if not places or part.some is None:
            raise self._first
        if part.rest is not None:
            rest = part.rest()
            yield _incoming(rest, 0)
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
                yield _incoming(request, octets)
        self._series += len(places)

    def need_some(self) -> None:
        """Raise the first error if no series is valid."""
        if self._first is not None and not self._sound:
            raise self._first

    def left_out(self) -> str:
        """The message about omitted series; "": none."""
        if not self._faults:
            return ""
        left_out = "1 is" if len(self._faults) == 1 else f"{len(self._faults)} are"
        more = "; …" if len(self._faults) > _NAMED else ""
        reasons = "; ".join(self._faults[:_NAMED])
        return f"partial write: of {self._series} time series {left_out} left out: {reasons}{more}"


def _incoming(request: WriteRequest, octets: int) -> Incoming:
    native = request.batch.native
    markers = request.histograms - (0 if native is None else len(native.timestamps))
    return Incoming(request.batch, request.metadata, octets, markers)
