"""Label matchers: `=`, `!=`, `=~`, `!~`, in RE2's dialect, anchored at both ends."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
import re2

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.interruption import checkpoint
from novaql.tsdb.model.labels import Bools, LabelColumn, SeriesTable

MOST_STATES = 1 << 24
"""Limit of states of a pattern × characters of a text. In the worst case a match visits each state
at each character, and it cannot be interrupted: half a second."""
MOST_CAPTURES = 1 << 22
"""Limit of states × groups of a pattern: a match may hold the place of each group, 16 bytes, for
each state. Groups without names do not count in matchers."""
MOST_COPIES = 1 << 28
"""Limit of states × groups × characters: those places are copied from state to state."""
MOST_BYTES = 64
"""Length of the bounds of `match_range`."""
_AT_ONCE = 1 << 20
"""States × characters that are matched between two checkpoints, or one text."""
_TEXT_COST = 100
"""Characters that each text counts in addition to its length, since a call costs as much as some
characters."""

_SMALL_BYTES, _LARGE_BYTES = 256 << 10, 8 << 20
"""Memory that RE2 may use for a pattern, its program and its cached states: for most patterns, and
for the others."""
_SMALL_PATTERNS, _LARGE_PATTERNS = 1024, 16
"""Patterns of both kinds that are cached: 384 MiB at most."""
_LONGEST_SMALL = 16 << 10
"""Characters of a pattern above which it is taken as large: few of these need little memory, and
the cache holds the texts of all that it was asked for."""


class PatternTooCostly(ValueError):
    """The product of the sizes of a pattern and a text is above the limit."""


class MatchOp(StrEnum):
    """The operator of a matcher."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"

    @property
    def is_regex(self) -> bool:
        return self in (MatchOp.REGEX, MatchOp.NOT_REGEX)

    @property
    def is_negative(self) -> bool:
        return self in (MatchOp.NOT_EQUAL, MatchOp.NOT_REGEX)


@dataclass(frozen=True, slots=True, order=True)
class Matcher:
    """One condition on one label. A missing label is the empty text.

    Raises `ValueError` when used with a pattern that RE2 does not accept; `compile_regex` raises it
    earlier.
    """

    name: str
    op: MatchOp
    value: str

    @property
    def text_bytes(self) -> int:
        """The length of its texts, for caches whose keys have matchers."""
        return len(self.name) + len(self.value)

    def matches(self, text: str) -> bool:
        if self.op.is_regex:
            hit = full_match(compile_regex(self.value, groups=False), text) is not None
        else:
            hit = text == self.value
        return hit is not self.op.is_negative

    def matching_codes(self, values: Sequence[str]) -> Bools:
        """Return which of a dictionary's values match, with one test for each distinct value."""
        if self.op.is_regex:
            pattern = compile_regex(self.value, groups=False)
            most = MOST_STATES // max(pattern.programsize, 1)
            if max(map(len, values), default=0) > most:
                raise _too_costly(self.value)
            hits = _matching(pattern, values)
        else:
            hits = np.fromiter((v == self.value for v in values), np.bool_, len(values))
        return ~hits if self.op.is_negative else hits

    def mask(self, column: LabelColumn) -> Bools:
        """Return which rows of a column match."""
        return self.matching_codes(column.values)[column.codes]

    def __str__(self) -> str:
        return f"{self.name}{self.op.value}{self.value!r}"


def _matching(pattern: re2._Regexp[str], values: Sequence[str]) -> Bools:
    hits = np.empty(len(values), np.bool_)
    fullmatch, most = pattern.fullmatch, _AT_ONCE // max(pattern.programsize, 1)
    left = most
    for number, value in enumerate(values):
        left -= len(value) + _TEXT_COST
        if left < 0:
            checkpoint()
            left = most
        hits[number] = fullmatch(value) is not None
    return hits


def compile_regex(pattern: str, *, groups: bool = True) -> re2._Regexp[str]:
    """Return an RE2 pattern in which `.` matches newline. Raises `ValueError` with RE2's reason.

    groups  its matches have the groups without names; matchers need none
    """
    small = _small(pattern, groups) if len(pattern) <= _LONGEST_SMALL else None
    return small or _large(pattern, groups)


def need_few_groups(pattern: re2._Regexp[str]) -> re2._Regexp[str]:
    """Return the pattern. Raises `re2.error` if its matches may hold too much memory."""
    if pattern.programsize * (pattern.groups + 1) > MOST_CAPTURES:
        raise re2.error(b"too many groups")
    return pattern


@lru_cache(maxsize=_SMALL_PATTERNS)
def _small(pattern: str, groups: bool) -> re2._Regexp[str] | None:
    """Compile the pattern within little memory; None if it needs more, or is invalid."""
    checkpoint()  # a large one takes 25 ms
    try:
        return need_few_groups(re2.compile(pattern, _options(_SMALL_BYTES, groups)))
    except re2.error:
        return None


@lru_cache(maxsize=_LARGE_PATTERNS)
def _large(pattern: str, groups: bool) -> re2._Regexp[str]:
    checkpoint()
    re2.purge()  # it caches patterns of any size, too
    try:
        return need_few_groups(re2.compile(pattern, _options(_LARGE_BYTES, groups)))
    except re2.error as problem:
        reason = problem.args[0] if problem.args else problem
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise ValueError(text) from None


def _options(max_mem: int, groups: bool) -> re2.Options:
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = max_mem
    options.never_capture = not groups
    return options


def match_range(pattern: str) -> tuple[bytes, bytes]:
    """Return the first and the last text, in byte order, that a pattern may match: at least the
    range of all that it does. Raises `ValueError`."""
    try:
        low, high = compile_regex(pattern, groups=False).possiblematchrange(MOST_BYTES)
    except re2.error:  # it has no bounds
        return b"", b"\xff"
    return low, high


def full_match(pattern: re2._Regexp[str], text: str) -> re2._Match[str] | None:
    """Return the match of a whole text, of which only spans may be used. Raises `PatternTooCostly`.

    ASCII text is matched as bytes, in which the spans are the same: RE2's package takes four times
    as long to convert those of a `str`.
    """
    work = pattern.programsize * len(text)
    if work > MOST_STATES or work * pattern.groups > MOST_COPIES:
        raise _too_costly(pattern.pattern)
    same: Any = text.encode() if text.isascii() else text
    return pattern.fullmatch(same)


def _too_costly(pattern: str) -> PatternTooCostly:
    shown = pattern if len(pattern) <= 100 else pattern[:100] + "…"
    return PatternTooCostly(
        f"the regular expression {shown!r} and the label values it is matched with are too long "
        "together"
    )


def select_rows(table: SeriesTable, matchers: Sequence[Matcher]) -> Bools:
    """Return the rows of a table that satisfy every matcher. For sources without an index."""
    matching = np.ones(table.rows, np.bool_)
    for matcher in matchers:
        matching &= matcher.mask(table.column(matcher.name))
    return matching
