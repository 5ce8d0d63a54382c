"""A query with the values of its parameters, whose errors and infos name places in the text that
the caller wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self, TypedDict

from novaql.errors import Located, QueryError
from novaql.fast_dataclass import dataclass
from novaql.result import Result
from novaql.span import Span

_PLACE = re.compile(r"\((\d{1,9}):(\d{1,9})\)$", re.ASCII)


class Place(TypedDict):
    """Characters of a query, and the line and column of the first, from 1."""

    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query with values. As a context manager, it moves the places of errors.

    text     with the values
    written  with `$name`, as the caller wrote it
    values   of each value the characters in `text`, and those of `$name` in `written`; ascending
    """

    text: str
    written: str
    values: Sequence[tuple[Span, Span]] = ()

    def span(self, span: Span) -> Span:
        """Return the characters of `written` from which characters of `text` come."""
        start = self._position(span.start, end=False)
        return Span(start, max(start, self._position(span.end, end=True)))

    def place(self, start: int, end: int) -> Place:
        """Return the place in `written` of characters of `text`."""
        span = self.span(Span(start, end))
        line, column = span.position(self.written)
        return {"start": span.start, "end": span.end, "line": line, "column": column}

    def result(self, result: Result) -> Result:
        """Return a result of `text`; the warnings and infos name places in `written`."""
        if not self.values or not (result.warnings or result.infos):
            return result
        warnings, infos = (
            tuple(_PLACE.sub(self._moved, note) for note in notes)
            for notes in (result.warnings, result.infos)
        )
        return replace(result, warnings=warnings, infos=infos)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.values or not isinstance(error, QueryError | Located):
            return
        if error.span is not None and error.text == self.text:
            error.relocate(self.written, self.span(error.span))

    def _position(self, position: int, *, end: bool) -> int:
        shift = 0
        for new, old in self.values:
            if position < new.start or (end and position == new.start):
                break
            if position < new.end or (end and position == new.end):
                return old.end if end else old.start
            shift = old.end - new.end
        return position + shift

    def _moved(self, found: re.Match[str]) -> str:
        line, column = int(found[1]), int(found[2])
        start = sum(len(text) + 1 for text in self.text.split("\n")[: line - 1]) + column - 1
        if not 0 <= start < len(self.text):
            return found[0]
        return "({line}:{column})".format(**self.place(start, start))
