"""Evaluates matchers to row numbers: the smallest posting list first, the others as filters on
codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from novaql.tsdb.index.patterns import listed_texts
from novaql.tsdb.model.labels import METRIC_NAME, Bools, Codes, Ints, LabelColumn, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp, match_range


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


class LabelIndex(Protocol):
    """Label columns of the series of one part of the store."""

    @property
    def rows(self) -> int: ...

    @property
    def label_names(self) -> Sequence[str]: ...

    def column(self, name: str) -> IndexedColumn | None: ...


class LivingRows(Protocol):
    """Rows of an index that have samples near a range; see `time_index.ActiveRows`."""

    @property
    def slices(self) -> tuple[int, int]: ...

    def among(self, rows: Ints) -> Ints: ...

    def rows(self, count: int) -> Ints: ...


def match_rows(
    index: LabelIndex, matchers: Sequence[Matcher], living: LivingRows | None = None
) -> Ints:
    """Return rows that satisfy every matcher, increasing; with `living`, only rows that are active.

    The rows of a metric are adjacent, so it is found first; then rows of other times are removed
    before any other matcher is evaluated.
    """
    rows: Ints | None = None
    for matcher in sorted(matchers, key=_cost):
        if living is not None and not (matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL):
            rows = living.rows(index.rows) if rows is None else living.among(rows)
            living = None
        if rows is not None and len(rows) == 0:
            return rows
        rows = _narrow(index, matcher, rows)
    if living is not None:
        return living.rows(index.rows) if rows is None else living.among(rows)
    return np.arange(index.rows) if rows is None else rows


def match_any(
    index: LabelIndex, matcher_sets: Sequence[Sequence[Matcher]], living: LivingRows | None = None
) -> Ints:
    """Return the rows that `match_rows` returns for any of the sets, increasing."""
    if len(matcher_sets) == 1:
        return match_rows(index, matcher_sets[0], living)
    chosen = np.zeros(index.rows, np.bool_)
    for matchers in matcher_sets:
        chosen[match_rows(index, matchers, living)] = True
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
    codes = column.codes if rows is None else column.codes_of(rows)
    hits = _matching_codes(column, matcher, codes)
    mask = hits[codes]
    return np.flatnonzero(mask) if rows is None else rows[mask]


def _matching_codes(column: IndexedColumn, matcher: Matcher, present: Codes) -> Bools:
    """Return for each code whether its text satisfies the matcher; valid for the codes in
    `present`."""
    hits = np.zeros(column.distinct, np.bool_)
    if not matcher.op.is_regex:
        listed: tuple[str, ...] | None = (matcher.value,)
    else:
        listed = listed_texts(matcher.value)
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


def label_table(index: LabelIndex, rows: Ints, names: Iterable[str] | None = None) -> SeriesTable:
    """Return label sets of some rows, with only the texts that they use."""
    wanted = index.label_names if names is None else names
    columns: dict[str, LabelColumn] = {}
    for name in wanted:
        column = index.column(name)
        if column is None:
            continue
        codes = column.codes_of(rows)
        used = np.zeros(column.distinct, np.bool_)
        used[codes] = True
        used[0] = False
        left = np.flatnonzero(used)
        if len(left) == 0:
            continue
        translate = np.zeros(column.distinct, np.int32)
        translate[left] = np.arange(1, len(left) + 1, dtype=np.int32)
        columns[name] = LabelColumn(translate[codes], ("", *column.texts(left)))
    return SeriesTable.from_columns(len(rows), columns)
