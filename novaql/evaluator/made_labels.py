"""Texts of labels that a query creates: bounded, and counted before they are created."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import re2

from novaql.errors import EvaluationError, LimitExceeded
from novaql.evaluator.context import Context
from novaql.span import Span
from novaql.text.go_text import quote
from novaql.text.unicode import is_utf8, valid_text
from novaql.tsdb.model.matchers import PatternTooCostly, full_match

TEXT_BYTES = 150
"""Bytes of an object for a text, and of its places in a dictionary and in a column."""

COUNTED_AT_ONCE = 1 << 20
"""Bytes of texts that are created between two checkpoints."""


MATCHED_AT_ONCE = 1 << 20
"""States of a pattern × characters that are matched between two checkpoints, or one value."""


class MadeLabels:
    """The texts that one function call of a query writes into labels.

    function, span  of the call, for messages
    """

    def __init__(self, context: Context, function: str, span: Span) -> None:
        self._context, self._function, self._span = context, function, span
        self._limit = context.options.limits.label_value_bytes
        self._waiting = self._matched = 0

    def check_name(self, name: str) -> None:
        """Reject a label name that is not valid Unicode (`EvaluationError`) or too long
        (`LimitExceeded`)."""
        if not is_utf8(name):
            raise EvaluationError(f"invalid label name {quote(name)}", self._span)
        if self._limit and _bytes(name) > self._limit:
            raise LimitExceeded(
                f"{self._function}() would write a label with a name of more than "
                f"{self._limit} bytes",
                self._span,
            )

    def joined(self, pieces: Sequence[str], separator: str = "") -> str:
        """One text joined from several. Raises `LimitExceeded` before the join if it is too
        long."""
        length = sum(map(len, pieces)) + len(separator) * max(0, len(pieces) - 1)
        if self._limit and length > self._limit:
            self._refuse()
        self._count(length if separator.isascii() and _all_ascii(pieces) else 4 * length)
        text = valid_text(separator.join(pieces))
        if self._limit and not text.isascii() and _bytes(text) > self._limit:
            self._refuse()
        return text

    def text(self, text: str) -> str:
        """An existing text. Raises `LimitExceeded` if it is too long."""
        return self.joined((text,))

    def match(self, regex: re2._Regexp[str], value: str) -> re2._Match[str] | None:
        """The match of a whole value, as `full_match` returns it. Raises `LimitExceeded` where it
        may take too long."""
        self._matched += regex.programsize * len(value) + 100
        if self._matched > MATCHED_AT_ONCE:
            self._matched = 0
            self._context.checkpoint()
        try:
            return full_match(regex, value)
        except PatternTooCostly as problem:
            raise LimitExceeded(str(problem), self._span) from None

    def replaced(
        self, regex: re2._Regexp[str], value: str, text: Callable[[re2._Match[str]], list[str]]
    ) -> str:
        """The value with every match replaced, as Go's ReplaceAll: an empty match that follows
        another match directly does not count."""
        self.match(regex, value)  # counts, and rejects matches that would take too long
        pieces: list[str] = []
        after = 0
        for found in regex.finditer(value):
            if pieces and found.end() == found.start() == after:
                continue
            pieces += [value[after : found.start()], *text(found)]
            after = found.end()
        return self.joined([*pieces, value[after:]]) if pieces else value

    def column(self, rows: int) -> None:
        """Count a column of `rows` codes and the texts that are not counted yet."""
        self._waiting += 4 * rows
        self._reserve()

    def _count(self, size: int) -> None:
        self._waiting += size + TEXT_BYTES
        if self._waiting > COUNTED_AT_ONCE:
            self._reserve()
            self._context.checkpoint()

    def _reserve(self) -> None:
        self._context.memory.keep(self._waiting, f"label values of {self._function}()")
        self._waiting = 0

    def _refuse(self) -> None:
        raise LimitExceeded(
            f"{self._function}() would write a label value of more than {self._limit} bytes",
            self._span,
        )


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _all_ascii(texts: Iterable[str]) -> bool:
    return all(map(str.isascii, texts))
