"""The series of a reader that reads the same series repeatedly, by number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from novaql.errors import InputError
from novaql.inputs.label_limits import NO_LIMITS, LabelLimits
from novaql.inputs.series_use import SeriesUse
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.runtime.lru_cache import ByteCache

MOST_SERIES = 1_000_000
"""A reader clears its series when there are more: senders may have stopped sending them."""
MOST_OCTETS = 256 << 20
"""… or when their labels, and the texts that name them, have more bytes: labels can be long."""
_TABLE_CACHE_BYTES = 32 << 20
V = TypeVar("V")


class KnownSeries:
    """Numbers label sets in order of appearance, and creates tables of them.

    limits  of a label set, and of one table

    For the same series, `table` returns the same object as before.
    """

    def __init__(self, limits: LabelLimits = NO_LIMITS) -> None:
        self._limits = limits
        self._label_sets: list[Mapping[str, str]] = []
        self._number_of: dict[frozenset[tuple[str, str]], int] = {}
        self._tables: ByteCache[SeriesTable] = ByteCache(_TABLE_CACHE_BYTES, _table_bytes)
        self._use = SeriesUse()
        self._times_forgotten = 0
        self._octets = 0

    @property
    def is_full(self) -> bool:
        """Whether the reader should clear its series: there are too many, or most have stopped."""
        return (
            len(self) > MOST_SERIES
            or self._octets > MOST_OCTETS
            or self._use.mostly_stopped(len(self))
        )

    def __len__(self) -> int:
        return len(self._label_sets)

    @property
    def label_sets(self) -> Sequence[Mapping[str, str]]:
        """All label sets, by number."""
        return self._label_sets

    def number(self, labels: Mapping[str, str]) -> int:
        """Return the number of a label set; a new set gets a new number. Raises `InputError`."""
        number = self._number_of.setdefault(frozenset(labels.items()), len(self._label_sets))
        if number == len(self._label_sets):
            try:
                self._limits.check(labels)
            except InputError:
                del self._number_of[frozenset(labels.items())]
                raise
            self._label_sets.append(labels)
            self._octets += sum(map(_octets, labels)) + sum(map(_octets, labels.values()))
        return number

    def note_text(self, text: bytes) -> None:
        """Record that the reader caches a text that names series."""
        self._octets += len(text)

    def table(self, numbers: Ints) -> tuple[SeriesTable, Ints]:
        """Return a table of the series that occur, and the row of each item of `numbers` in it.

        Raises `LimitExceeded`.
        """
        distinct, index = np.unique(numbers, return_inverse=True)
        self.note_sent(distinct)
        key = distinct.tobytes()
        table = self._tables.get(key)
        if table is None:
            sets = [self._label_sets[number] for number in distinct.tolist()]
            if self._limits is not NO_LIMITS:
                self._limits.check_table(len(sets), len({name for one in sets for name in one}))
            table = SeriesTable.from_dicts(sets)
            self._tables.put(key, table)
        return table, index.astype(np.int64, copy=False)

    def note_sent(self, numbers: Ints) -> None:
        """Record that series were sent, if `table` is not called for them."""
        self._use.note(numbers)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Remove the series that are new in the block if it raises."""
        before, octets, forgotten = len(self), self._octets, self._times_forgotten
        try:
            yield
        except BaseException:
            if forgotten != self._times_forgotten:
                before = octets = 0
            self._forget_from(before)
            self._octets = octets
            raise

    def _forget_from(self, count: int) -> None:
        while len(self._number_of) > count:
            self._number_of.popitem()  # the youngest
        del self._label_sets[count:]
        self._tables.remove(lambda key: _highest(key) >= count)

    def forget(self) -> None:
        """Remove all series. Numbers returned before are invalid."""
        self._label_sets.clear()
        self._number_of.clear()
        self._tables.clear()
        self._use = SeriesUse()
        self._octets = 0
        self._times_forgotten += 1


def _octets(text: str) -> int:
    """Return the most bytes that the characters of a text take in memory."""
    return len(text) if text.isascii() else 4 * len(text)


def _highest(key: bytes) -> int:
    """Return the highest number of a table's series, from the ordered numbers that are its key."""
    return int(np.frombuffer(key[-8:], np.int64)[0]) if key else -1


def _table_bytes(table: SeriesTable) -> int:
    """Return the size of the codes and values of a table, and of its key, an int64 for each row.
    The texts are those of the label sets."""
    texts = sum(len(column.values) for column in table.columns.values())
    return 1000 + 8 * texts + table.rows * (4 * len(table.columns) + 8)


class TextsOfSeries(dict[bytes, V]):
    """Texts → cached facts about them, in terms of numbers of `known`."""

    def __init__(self, known: KnownSeries) -> None:
        super().__init__()
        self.known = known
        self._times_forgotten = 0

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Remove the texts and series that are new in the block if it raises."""
        before, forgotten = len(self), self._times_forgotten
        try:
            with self.known.all_or_nothing():
                yield
        except BaseException:
            remaining = before if forgotten == self._times_forgotten else 0
            while len(self) > remaining:
                self.popitem()  # the youngest
            raise

    def forget(self) -> None:
        """Remove all texts and series."""
        self._times_forgotten += 1
        self.clear()
        self.known.forget()


class SeriesTexts(TextsOfSeries[int]):
    """Texts that name series, in any notation → numbers of `known`.

    parse  returns the labels that a text names, at its first look-up
    """

    def __init__(self, parse: Callable[[bytes], Mapping[str, str]], known: KnownSeries) -> None:
        super().__init__(known)
        self._parse = parse

    def __missing__(self, text: bytes) -> int:
        number = self.known.number(self._parse(text))
        self[text] = number
        self.known.note_text(text)
        return number
