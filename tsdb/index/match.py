"""Evaluates matchers to row numbers: the smallest posting list first, the others as filters on
codes.

The work follows the rows of the smallest list and the label values of these rows, not the rows and
values of the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from novaql.tsdb.index.patterns import listed_texts
from novaql.tsdb.model.interruption import checkpoint
from novaql.tsdb.model.labels import METRIC_NAME, Bools, Codes, Ints, LabelColumn, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp, match_range

FEW_ROWS = 128
"""Up to this many rows are checked one by one: arrays for all values of a label cost more."""

MOST_LISTED = 64
"""Texts of a regex whose rows are found one text after another."""


class IndexedColumn(Protocol):
    """One label of an index. Code 0 is the absent label, whose text is ""."""

    @property
    def codes(self) -> Codes:
        """[rows] all codes; reading those of some rows costs as much."""
        ...

    def codes_of(self, rows: Ints) -> Codes: ...

    @property
    def distinct(self) -> int:
        """Upper bound (exclusive) of the codes."""
        ...

    def find(self, text: str) -> int:
        """Return the code of a text, -1 if no row has it."""
        ...

    def texts(self, codes: Ints) -> list[str]: ...

    def between(self, low: bytes, high: bytes) -> Ints:
        """Return the codes of texts that are in this range in byte order, both ends included."""
        ...

    def rows_of(self, code: int) -> Ints:
        """Return the rows with this code, increasing."""
        ...

    @property
    def has_postings(self) -> bool:
        """Whether `rows_of` reads the rows of its code alone. If not, it reads all codes."""
        ...

    def count_of(self, code: int) -> int:
        """Return about how many rows have this code, exactly if there are postings."""
        ...


class LabelIndex(Protocol):
    """Label columns of the series of one part of the store."""

    @property
    def rows(self) -> int: ...

    @property
    def label_names(self) -> Sequence[str]: ...

    def column(self, name: str) -> IndexedColumn | None: ...


class RowFilter(Protocol):
    """Rows of an index that have samples near a range; see `time_index.ActiveRows`."""

    @property
    def slices(self) -> tuple[int, int]: ...

    def among(self, rows: Ints) -> Ints: ...

    def rows(self, count: int) -> Ints: ...


def match_rows(
    index: LabelIndex, matchers: Sequence[Matcher], active: RowFilter | None = None
) -> Ints:
    """Return rows that satisfy every matcher, increasing; with `active`, only rows of the filter.

    The label that the fewest rows have is found first; then rows of other times are removed before
    any other matcher is evaluated.
    """
    first = _most_selective(index, matchers, searched=active is None)
    rows = None if first is None else _narrow(index, first, None)
    if active is not None:
        rows = active.rows(index.rows) if rows is None else active.among(rows)
    for matcher in sorted(matchers, key=_cost):
        if matcher is first:
            continue
        if rows is not None and len(rows) == 0:
            return rows
        checkpoint()
        rows = _narrow(index, matcher, rows)
    return np.arange(index.rows) if rows is None else rows


def _most_selective(
    index: LabelIndex, matchers: Sequence[Matcher], *, searched: bool
) -> Matcher | None:
    """Return the matcher with listed texts that the fewest rows have; None if there is none.

    searched  all codes of a label may be read for it. The name of a metric always may, because its
              rows are adjacent
    """
    some = [matcher for matcher in matchers if _is_selective(matcher)]
    if not searched:
        some = [m for m in some if m.name == METRIC_NAME or _has_postings(index, m)]
    if len(some) < 2:
        return some[0] if some else None

    def rows_of(matcher: Matcher) -> int:
        column = index.column(matcher.name)
        return 0 if column is None else sum(map(column.count_of, _codes_of(column, matcher)))

    return min(some, key=rows_of)


def _is_selective(matcher: Matcher) -> bool:
    """Return whether the matcher lists a few texts that it accepts, none of them empty."""
    if matcher.op.is_negative:
        return False
    listed = _listed(matcher)
    return listed is not None and len(listed) <= MOST_LISTED and "" not in listed


def _codes_of(column: IndexedColumn, matcher: Matcher) -> list[int]:
    """Return the codes of the texts that a selective matcher lists."""
    found = map(column.find, set(_listed(matcher) or ()))
    return [code for code in found if code >= 0]


def _has_postings(index: LabelIndex, matcher: Matcher) -> bool:
    column = index.column(matcher.name)
    return column is None or column.has_postings


def match_any(
    index: LabelIndex, matcher_sets: Sequence[Sequence[Matcher]], active: RowFilter | None = None
) -> Ints:
    """Return the rows that `match_rows` returns for any of the sets, increasing."""
    if len(matcher_sets) == 1:
        return match_rows(index, matcher_sets[0], active)
    chosen = np.zeros(index.rows, np.bool_)
    for matchers in matcher_sets:
        chosen[match_rows(index, matchers, active)] = True
    return np.flatnonzero(chosen)


def _cost(matcher: Matcher) -> tuple[int, bool]:
    """Rank of a matcher. The metric name usually excludes most; regexes run last, on few texts."""
    selective = matcher.op is MatchOp.EQUAL and matcher.value != ""
    return (0 if selective else 2 if matcher.op.is_regex else 1, matcher.name != METRIC_NAME)


def _narrow(index: LabelIndex, matcher: Matcher, rows: Ints | None) -> Ints:
    column = index.column(matcher.name)
    if column is None:
        if matcher.matches(""):
            return np.arange(index.rows) if rows is None else rows
        return np.empty(0, np.int64)
    if matcher.op is MatchOp.EQUAL:
        code = column.find(matcher.value)
        if code < 0:
            return np.empty(0, np.int64)
        if rows is None:
            return column.rows_of(code)
        left: Ints = rows[column.codes_of(rows) == code]
        return left
    if rows is None and _is_selective(matcher):
        found = [column.rows_of(code) for code in _codes_of(column, matcher)]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)
    if rows is None:
        codes = column.codes
        return np.flatnonzero(_matching_codes(column, matcher, codes)[codes])
    codes = column.codes_of(rows)
    if len(rows) <= FEW_ROWS:
        return rows[_matching_few(column, matcher, codes)]
    return rows[_matching_codes(column, matcher, codes)[codes]]


def _matching_codes(column: IndexedColumn, matcher: Matcher, present: Codes) -> Bools:
    """Return for each code whether its text satisfies the matcher; valid for the codes in
    `present`."""
    hits = np.zeros(column.distinct, np.bool_)
    listed = _listed(matcher)
    if listed is not None:
        for text in listed:
            if (code := column.find(text)) >= 0:
                hits[code] = True
        return ~hits if matcher.op.is_negative else hits
    positive = Matcher(matcher.name, MatchOp.REGEX, matcher.value)
    seen = np.zeros(column.distinct, np.bool_)
    seen[present] = True
    possible = column.between(*match_range(matcher.value))
    candidates = possible[seen[possible]]
    hits[candidates] = positive.matching_codes(column.texts(candidates))
    return ~hits if matcher.op.is_negative else hits


def _matching_few(column: IndexedColumn, matcher: Matcher, codes: Codes) -> Bools:
    """Return for each of a few rows with these codes whether its text satisfies the matcher."""
    used = sorted(set(codes.tolist()))
    texts = column.texts(np.array(used, np.int64))
    listed = _listed(matcher)
    if listed is None:
        low, high = match_range(matcher.value)
        possible = [text for text in texts if low <= text.encode() <= high]
        positive = Matcher(matcher.name, MatchOp.REGEX, matcher.value)
        hits = positive.matching_codes(possible).tolist()
        listed = tuple(text for text, hit in zip(possible, hits, strict=True) if hit)
    wanted = frozenset(listed)
    found = {code for code, text in zip(used, texts, strict=True) if text in wanted}
    mask = np.array([code in found for code in codes.tolist()], np.bool_)
    return ~mask if matcher.op.is_negative else mask


def _listed(matcher: Matcher) -> tuple[str, ...] | None:
    """Return the only texts that a matcher names; None for other patterns."""
    return listed_texts(matcher.value) if matcher.op.is_regex else (matcher.value,)


def label_table(index: LabelIndex, rows: Ints, names: Iterable[str] | None = None) -> SeriesTable:
    """Return label sets of some rows, with only the texts that they use."""
    wanted = index.label_names if names is None else names
    columns: dict[str, LabelColumn] = {}
    for name in wanted:
        column = index.column(name)
        if column is None:
            continue
        used, places = numbered(column.codes_of(rows), column.distinct)
        if len(used):
            columns[name] = LabelColumn(places, ("", *column.texts(used)))
    return SeriesTable.from_columns(len(rows), columns)


def numbered(codes: Codes, distinct: int) -> tuple[Ints, Codes]:
    """Return the codes above 0 that occur, increasing, and for each row the number of its code
    among them, counted from 1; 0 for code 0."""
    if len(codes) <= FEW_ROWS:
        some = codes.tolist()
        known = sorted(set(some) - {0})
        number = {code: place for place, code in enumerate(known, 1)}
        places = [number.get(code, 0) for code in some]
        return np.array(known, np.int64), np.array(places, np.int32)
    found = np.zeros(distinct, np.bool_)
    found[codes] = True
    found[0] = False
    used = np.flatnonzero(found)
    translate = np.zeros(distinct, np.int32)
    translate[used] = np.arange(1, len(used) + 1, dtype=np.int32)
    return used, translate[codes]
