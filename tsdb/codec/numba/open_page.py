"""A page of rows whose heads are read; its columns are decoded when pieces of them are read."""

from __future__ import annotations

import threading
from operator import ge

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.codec.columns import BATCH, decode_into
from novaql.tsdb.codec.decimal import POWERS
from novaql.tsdb.codec.numba.compiled import PAGES
from novaql.tsdb.codec.row_heads import HEAD, SHORT, scratch
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.buffer_pool import BUFFERS


@dataclass(slots=True, eq=False)
class OpenPage:
    """The arguments of `spread`. Most columns take half as many bytes as their values.

    words    the decoded columns, each from a word of 8 bytes on
    decoded  [G] how many numbers of each column are in `words`
    lock     held while a column is decoded. It is decoded completely, because other threads may
             read what is there already. None: one thread alone uses the page
    """

    data: bytes
    count: int
    groups: Ints
    lengths: Ints
    firsts: Ints
    order: Ints
    linked: Bools
    exceptions: Ints
    words: Ints
    decoded: list[int]
    lock: threading.Lock | None

    def place(self, out: Floats, places: Ints, starts: Ints, lengths: Ints) -> bool:
        """Write the piece of the page that begins at starts[i] to places[i] of `out`. Returns
        whether a NaN is among the values. Raises `Undecodable`."""
        self._decode(starts, lengths)
        nan: bool = PAGES.call.spread(
            self.groups,
            self.lengths,
            self.firsts,
            self.order,
            self.linked,
            self.exceptions,
            POWERS,
            self.words,
            places,
            starts,
            lengths,
            out,
            np.zeros(1, np.int64),
        )
        return nan

    def _decode(self, starts: Ints, lengths: Ints) -> None:
        """Decode columns as far as these pieces need them; all, if these are most of the page."""
        if 2 * int(lengths.sum()) >= self.count:
            wanted = self.groups[:, 6].tolist()
        else:
            wanted = PAGES.call.needs(
                self.groups, self.lengths, self.order, self.linked, starts, lengths
            ).tolist()
        if all(map(ge, self.decoded, wanted)):
            return
        if self.lock is None:
            self._decode_columns(wanted)
        else:
            with self.lock:
                self._decode_columns(wanted)

    def _decode_columns(self, wanted: list[int]) -> None:
        columns = self.words.view(np.float64), self.words.view(np.int32), self.words
        for group, (_, kind, _, word, byte, size, values) in enumerate(self.groups.tolist()):
            need = wanted[group]
            if self.decoded[group] >= need:
                continue
            begin = 2 * word if kind == SHORT else word
            data, column = self.data[byte : byte + size], columns[kind][begin : begin + values]
            some = -(-need // BATCH) * BATCH
            if self.lock is None and 2 * some < values:
                decode_into(data, column[:some], beginning=True)
                self.decoded[group] = some
            else:
                decode_into(data, column)
                self.decoded[group] = values

    def values(self) -> Floats:
        """Decode and return all values of the page."""
        out = np.empty(self.count)
        self.place(out, _NOUGHT, _NOUGHT, np.array([self.count]))
        return out

    @property
    def nbytes(self) -> int:
        arrays = (self.lengths, self.firsts, self.order, self.exceptions, self.words)
        return sum(array.nbytes for array in arrays) + len(self.data) + 500


_NOUGHT = np.zeros(1, np.int64)


def open_rows(data: bytes, at: int, count: int, *, passing: bool) -> OpenPage | None:
    """A page of `count` values; None for a page that is not in the form of `encode_rows`, which
    `row_pages` decodes or rejects. Raises `Undecodable`.

    passing  the page is used at once and not cached: its memory is reused by the thread's next one
    """
    if len(data) < at + HEAD.size:
        return None
    found = PAGES.call.outline(np.frombuffer(data, np.uint8), at, count)
    good, table, lengths, firsts, order, linked, exceptions, later = found
    if good and later.any():
        lists = (lengths, firsts, order, exceptions[0], exceptions[1])
        for numbers, (begin, size) in zip(lists, later.tolist(), strict=True):
            if size:
                decode_into(data[begin : begin + size], numbers)
        good = PAGES.call.settle(count, table, lengths, order, linked, exceptions, len(data))
    if not good:
        return None
    word, values = int(table[-1, 3]), int(table[-1, 6])
    size = word + values  # up to half of the words of the last column may remain unused
    words = scratch("open page", np.int64, size) if passing else BUFFERS.ints(size)
    return OpenPage(
        data, count, table, lengths, firsts, order, linked, exceptions, words,
        [0] * len(table), None if passing else threading.Lock(),
    )  # fmt: skip
