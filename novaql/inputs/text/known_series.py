"""Series met by a reader that meets the same ones again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from novaql.errors import InputError
from novaql.inputs.label_limits import NO_LIMITS, LabelLimits
from novaql.tsdb.model.labels import Ints, SeriesTable

_MOST_TABLES_KEPT = 256
_MOST_CELLS_KEPT = 1 << 23


class KnownSeries:
    """Numbers label sets in order of appearance, and makes tables of them.

    limits  of a label set, and of one table

    While the same series come again, the table is the same object.
    """

    def __init__(self, limits: LabelLimits = NO_LIMITS) -> None:
        self._limits = limits
        self._label_sets: list[Mapping[str, str]] = []
        self._number_of: dict[frozenset[tuple[str, str]], int] = {}
        self._tables: dict[bytes, SeriesTable] = {}
        self._times_forgotten = 0
        self._cells = 0

    def __len__(self) -> int:
        return len(self._label_sets)

    def number(self, labels: Mapping[str, str]) -> int:
        """The number of a label set, a new one if it was never met. Raises `InputError`."""
        number = self._number_of.setdefault(frozenset(labels.items()), len(self._label_sets))
        if number == len(self._label_sets):
            try:
                self._limits.check(labels)
            except InputError:
                del self._number_of[frozenset(labels.items())]
                raise
            self._label_sets.append(labels)
        return number

    def table(self, numbers: Ints) -> tuple[SeriesTable, Ints]:
        """A table of the series that occur, and the row of each item of `numbers` in it.

        Raises `LimitExceeded`.
        """
        distinct, index = np.unique(numbers, return_inverse=True)
        key = distinct.tobytes()
        table = self._tables.pop(key, None)
        if table is None:
            sets = [self._label_sets[number] for number in distinct.tolist()]
            if self._limits is not NO_LIMITS:
                self._limits.check_table(len(sets), len({name for one in sets for name in one}))
            table = SeriesTable.from_dicts(sets)
            self._cells += _cells(table)
            while self._tables and (
                len(self._tables) >= _MOST_TABLES_KEPT or self._cells > _MOST_CELLS_KEPT
            ):
                self._cells -= _cells(self._tables.pop(next(iter(self._tables))))
        self._tables[key] = table  # the youngest stands last
        return table, index.astype(np.int64, copy=False)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Series that are met inside the block are forgotten if it ends in an error."""
        before, forgotten = len(self), self._times_forgotten
        try:
            yield
        except BaseException:
            self._forget_from(before if forgotten == self._times_forgotten else 0)
            raise

    def _forget_from(self, count: int) -> None:
        while len(self._number_of) > count:
            self._number_of.popitem()  # the youngest
        del self._label_sets[count:]
        for key in [key for key in self._tables if _highest(key) >= count]:
            self._cells -= _cells(self._tables.pop(key))

    def forget(self) -> None:
        """Begin anew; numbers given before mean nothing any more."""
        self._label_sets.clear()
        self._number_of.clear()
        self._tables.clear()
        self._times_forgotten += 1
        self._cells = 0


def _highest(key: bytes) -> int:
    """The highest number of a table's series, from the ordered numbers that it is kept under."""
    return int(np.frombuffer(key[-8:], np.int64)[0]) if key else -1


def _cells(table: SeriesTable) -> int:
    return table.rows * (len(table.columns) + 2)  # and the numbers that it is found by


class SeriesTexts(dict[bytes, int]):
    """Texts that name series, in whatever notation → numbers of `known`.

    understand  makes labels of a text, when it is first looked up
    """

    def __init__(
        self, understand: Callable[[bytes], Mapping[str, str]], known: KnownSeries
    ) -> None:
        super().__init__()
        self._understand = understand
        self.known = known
        self._times_forgotten = 0

    def __missing__(self, text: bytes) -> int:
        number = self.known.number(self._understand(text))
        self[text] = number
        return number

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Texts and series that are met inside the block are forgotten if it ends in an error."""
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
        """Begin anew."""
        self._times_forgotten += 1
        self.clear()
        self.known.forget()
