"""The ids of label sets in the head: small numbers in order of appearance."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.errors import InvalidBatch
from novaql.tsdb.index.match import IndexedColumn
from novaql.tsdb.index.postings import SCAN_GAIN, GrowingPostings
from novaql.tsdb.model.flat_arrays import grown
from novaql.tsdb.model.key_table import KeyTable, TokenColumn, Tokens, random_source
from novaql.tsdb.model.labels import Codes, Ints, Numbers, SeriesTable
from novaql.tsdb.runtime.lru_cache import ByteCache

_TABLE_CACHE_BYTES = 128 << 20
_TEXT_BYTES = 90
"""Bytes of a text besides its characters: its places in a list, a dictionary and the tokens."""
_COLUMN_BYTES = 1024


class _Column:
    """One label: a growing dictionary of texts, and a code for each series, in the narrowest type,
    since most labels have few values."""

    def __init__(self, rng: np.random.Generator, rows: int) -> None:
        self.codes: Numbers = np.zeros(max(16, rows), np.uint8)
        self.values: list[str] = [""]
        self.lookup: dict[str, int] = {"": 0}
        self.tokens = TokenColumn(rng)
        self.postings = GrowingPostings()
        self._texts_bytes = 0

    @property
    def nbytes(self) -> int:
        """About the bytes of its texts and codes."""
        return _COLUMN_BYTES + self._texts_bytes + self.codes.nbytes

    def codes_of(self, texts: Sequence[str]) -> Codes:
        """Return codes of texts; new texts get new codes."""
        lookup, values = self.lookup, self.values
        found = list(map(lookup.get, texts))
        if None in found:
            for at, text in enumerate(texts):
                if found[at] is None:
                    text.encode()  # raises for a lone surrogate
                    found[at] = lookup.setdefault(text, len(values))
                    if found[at] == len(values):
                        values.append(text)
                        self._texts_bytes += _TEXT_BYTES + sys.getsizeof(text)
        self.tokens.reserve(len(values))  # also for texts before one that was not Unicode
        return np.array(found, np.int32)

    def put(self, start: int, codes: Codes) -> None:
        end = start + len(codes)
        dtype = np.min_scalar_type(len(self.values) - 1)
        if dtype.itemsize > self.codes.itemsize:
            self.codes = self.codes.astype(dtype)
        self.codes = grown(self.codes, end, 0)  # a new array: readers have views of the old one
        self.codes[start:end] = codes


@dataclass(frozen=True, slots=True, eq=False)
class HeadColumn:
    """A label as a reader of the head sees it, without later texts and series.

    narrow    the codes of its series
    postings  of the label, shared by all readers of the head; they may have later series
    """

    narrow: Numbers
    distinct: int
    values: Sequence[str]
    lookup: Mapping[str, int]
    postings: GrowingPostings

    @property
    def codes(self) -> Codes:
        return self.narrow.astype(np.int32)

    def codes_of(self, rows: Ints) -> Codes:
        return self.narrow[rows].astype(np.int32)

    def find(self, text: str) -> int:
        code = self.lookup.get(text, -1)
        return code if code < self.distinct else -1

    def texts(self, codes: Ints) -> list[str]:
        values = self.values
        return [values[code] for code in codes.tolist()]

    def between(self, low: bytes, high: bytes) -> Ints:
        every = enumerate(self.values[: self.distinct])
        return np.array([n for n, text in every if low <= text.encode() <= high], np.int64)

    def rows_of(self, code: int) -> Ints:
        return self.postings.rows_of(self.narrow, self.distinct, code)

    @property
    def has_postings(self) -> bool:
        return self.postings.known is not None

    def count_of(self, code: int) -> int:
        known = self.postings.known
        if known is None or code >= len(known.starts) - 1:
            return self.narrow.size // min(self.distinct, SCAN_GAIN)
        return known.count(code)


@dataclass(frozen=True, slots=True, eq=False)
class HeadIndex:
    """The `LabelIndex` of the first `rows` series of a registry."""

    rows: int
    columns: Mapping[str, HeadColumn] = field(repr=False)

    @property
    def label_names(self) -> Sequence[str]:
        return sorted(self.columns, key=str.encode)

    def column(self, name: str) -> IndexedColumn | None:
        return self.columns.get(name)


@dataclass(slots=True)
class _KnownRows:
    """Ids of the rows of a table, or of all tables of a family; -1: not looked up yet.

    owner  returns the table or family; None: it is gone, and another object may have its id()
    """

    owner: Callable[[], object]
    ids: Codes


class Registry:
    """Maps label sets to ids.

    The key of a label set is 128 bits: the sum of random tokens, one for each (name, value) pair.
    So the keys of a whole table are a few array additions, and equal label sets have equal keys
    whatever columns their tables have. The tokens are random, so a client cannot construct a
    collision.

    One thread writes. Any thread may call `index()`, whose result does not change.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._keys = KeyTable()
        self._columns_bytes = 0
        self._known: ByteCache[_KnownRows] = ByteCache(
            _TABLE_CACHE_BYTES, lambda known: 1000 + known.ids.nbytes
        )

    @cached_property
    def _rng(self) -> np.random.Generator:
        """Created with the first label: a store that is only read does not load `numpy.random`."""
        return random_source()

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def nbytes(self) -> int:
        """About the bytes of the label sets; postings, and ids of tables, are not included."""
        return self._keys.nbytes + self._columns_bytes

    def ids_of(self, table: SeriesTable) -> Ints:
        """[table.rows] the id of each row; see `ids_for`."""
        return self.ids_for(table, np.arange(table.rows))

    def ids_for(self, table: SeriesTable, rows: Ints) -> Ints:
        """Return the ids of some rows of a table; unknown label sets get new ids.

        For the same table object, or another one of its family, rows that were looked up before
        cost a gather. Other rows of the table are not registered. Raises `InvalidBatch` for a row
        without labels and for text that is not Unicode.
        """
        known = self._known_rows_of(table)
        ids = known.ids[rows]
        if len(ids) and int(ids.min()) < 0:
            unknown = np.zeros(table.rows, np.bool_)
            unknown[rows[ids < 0]] = True  # much faster than sorting the rows of many samples
            wanted = np.flatnonzero(unknown)
            try:
                known.ids[wanted] = self._look_up(table, wanted)
            except UnicodeEncodeError as problem:
                raise InvalidBatch(f"a label is not valid Unicode: {problem}") from problem
            ids = known.ids[rows]
        return ids.astype(np.int64)

    def _look_up(self, whole: SeriesTable, rows: Ints) -> Ints:
        _check_shapes(whole)
        table = whole if len(rows) == whole.rows else whole.take(rows)
        _check_codes(table)
        keys: Tokens = np.zeros((table.rows, 2), np.uint64)
        labelled = np.zeros(table.rows, np.bool_)
        coded: dict[str, Codes] = {}
        for name, column in table.columns.items():
            codes, texts = column.codes, column.values
            if len(texts) > 2 * table.rows + 16:  # most texts are of other rows
                used = np.unique(codes)
                texts = tuple(texts[code] for code in used.tolist())
                codes = np.searchsorted(used, codes).astype(np.int32)
            own = self._columns.get(name)
            if own is None:
                name.encode()
                own = self._columns[name] = _Column(self._rng, len(self._keys))
            coded[name] = own.codes_of(texts)[codes]
            labelled |= coded[name] != 0
            keys += own.tokens.of(coded[name])
        if not labelled.all():
            bare = int(rows[np.argmin(labelled)])
            raise InvalidBatch(f"series {bare} of the batch has no labels")
        return self._enter(keys, coded)

    def _enter(self, keys: Tokens, coded: Mapping[str, Codes]) -> Ints:
        start = len(self._keys)
        ids, rows = self._keys.add(keys)
        for name, column in self._columns.items():
            codes = coded.get(name)
            column.put(start, np.zeros(len(rows), np.int32) if codes is None else codes[rows])
        self._columns_bytes = sum(column.nbytes for column in self._columns.values())
        return ids

    def _known_rows_of(self, table: SeriesTable) -> _KnownRows:
        # A reference to a family costs nothing. A table is referenced weakly, so that its memory is
        # free when its owner drops it.
        family = table.family
        owner = table if family is None else family
        known = self._known.get(id(owner))
        if known is None or known.owner() is not owner:
            refer = weakref.ref(table) if family is None else lambda: family
            known = _KnownRows(refer, np.full(table.rows, -1, np.int32))
            self._known.put(id(owner), known)
        elif len(known.ids) < table.rows:
            known.ids = grown(known.ids, table.rows, -1)
            self._known.put(id(owner), known)
        return known

    def index(self) -> HeadIndex:
        """Return the index of the current series, for readers. The writer must not be inside
        `ids_of`."""
        rows = len(self._keys)
        return HeadIndex(
            rows,
            {
                name: HeadColumn(c.codes[:rows], len(c.values), c.values, c.lookup, c.postings)
                for name, c in self._columns.items()
            },
        )


def _check_shapes(table: SeriesTable) -> None:
    for name, column in table.columns.items():
        if not name:
            raise InvalidBatch("a label has an empty name")
        if column.codes.shape != (table.rows,):
            raise InvalidBatch(f"label {name!r}: {len(column.codes)} codes for {table.rows} series")


def _check_codes(table: SeriesTable) -> None:
    for name, column in table.columns.items():
        if table.rows and not 0 <= column.codes.min() <= column.codes.max() < len(column.values):
            raise InvalidBatch(f"label {name!r}: a code points outside its dictionary")
