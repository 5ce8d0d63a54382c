"""Writes a block under a temporary name, syncs it, and renames it into place."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tsdb.block.format import (
    HEADER_BYTES,
    PAGE,
    SECTION,
    TIME_PAGE,
    Description,
    LabelSections,
    PageSections,
    Section,
    encode_description,
    encode_header,
)
from tsdb.block.layout import Content, page_counts, read_together
from tsdb.codec.checksum import checksum
from tsdb.codec.columns import FLUSH_LEVEL, encode_numbers, encode_texts
from tsdb.fsio import AppendFile, Disk
from tsdb.labels import Ints

PORTION_VALUES = 1 << 20
"""So many values are gathered in memory at a time."""

TEMPORARY_SUFFIX = ".writing"


def new_identity() -> bytes:
    """16 random bytes that tell this block from every other."""
    return secrets.token_bytes(16)


def write_block(
    disk: Disk, path: Path, identity: bytes, content: Content, *, level: int = FLUSH_LEVEL
) -> Description:
    """Write a block that appears at `path` whole or not at all.

    Raises `OSError`; nothing is at `path` then.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    if disk.exists(temporary):
        disk.unlink(temporary)
    file = disk.create(temporary)
    try:
        description = _Writer(file, identity, content, level).write()
        file.fsync()
    except OSError:
        file.close()
        disk.unlink(temporary)
        raise
    file.close()
    disk.rename(temporary, path)
    disk.fsync_dir(path.parent)
    return description


class _Writer:
    def __init__(self, file: AppendFile, identity: bytes, content: Content, level: int) -> None:
        self._file, self._identity, self._content, self._level = file, identity, content, level

    def write(self) -> Description:
        content = self._content
        self._file.append([encode_header(self._identity)])
        assert self._file.size == HEADER_BYTES
        grids = content.grid_length
        times = self._pages(
            TIME_PAGE, page_counts(grids, np.empty(0, np.int64)), content.grid_start, grids
        )
        lengths = content.lengths
        values = self._pages(
            PAGE, page_counts(lengths, read_together(content)), content.value_start, lengths
        )
        first, last = self._grid_bounds()
        description = Description(
            series=content.table.rows,
            samples=int(lengths.sum()),
            first_ms=int(first.min()),
            last_ms=int(last.max()),
            grids=len(grids),
            grid_of=self._numbers(content.grid_of.astype(np.uint32)),
            grid_length=self._numbers(grids),
            grid_first=self._numbers(first),
            grid_last=self._numbers(last),
            times=times,
            values=values,
            labels=tuple(self._labels()),
        )
        self._file.append([encode_description(self._identity, description, self._file.size)])
        return description

    def _grid_bounds(self) -> tuple[Ints, Ints]:
        starts, ends = (
            self._content.grid_start,
            self._content.grid_start + self._content.grid_length,
        )
        one = np.ones(len(starts), np.int64)
        times = self._content.stratum.times
        return times.ints(starts, one), times.ints(ends - 1, one)

    def _pages(self, kind: bytes, counts: Ints, starts: Ints, lengths: Ints) -> PageSections:
        """Write all pages of a stream whose rows are these pieces of the stratum's stream."""
        begin = self._file.size
        sizes: list[int] = []
        checksums: list[int] = []
        for page in self._gathered(kind, counts, starts, lengths):
            data = encode_numbers(page, self._level)
            checksums.append(checksum(self._identity, kind, len(sizes), data))
            sizes.append(len(data))
            self._file.append([data])
        return PageSections(
            begin,
            self._numbers(counts.astype(np.uint32)),
            self._numbers(np.array(sizes, np.uint32)),
            self._numbers(np.array(checksums, np.uint32)),
        )

    def _gathered(
        self, kind: bytes, counts: Ints, starts: Ints, lengths: Ints
    ) -> Iterator[NDArray[np.generic]]:
        row_ends, page_ends = np.cumsum(lengths), np.cumsum(counts)
        page, at = 0, 0
        while page < len(counts):
            last = int(np.searchsorted(page_ends, at + PORTION_VALUES, side="right"))
            last = max(last, page + 1)
            end = int(page_ends[last - 1])
            portion = self._read(kind, starts, lengths, row_ends, at, end)
            bounds = page_ends[page:last] - at
            yield from np.split(portion, bounds[:-1])
            page, at = last, end

    def _read(
        self, kind: bytes, starts: Ints, lengths: Ints, row_ends: Ints, begin: int, end: int
    ) -> NDArray[np.generic]:
        """Stream positions begin … end - 1; they may start and stop inside a row."""
        first = int(np.searchsorted(row_ends, begin, side="right"))
        last = int(np.searchsorted(row_ends, end, side="left")) + 1
        some_starts, some_lengths = starts[first:last].copy(), lengths[first:last].copy()
        skipped = begin - int(row_ends[first] - lengths[first])
        some_starts[0] += skipped
        some_lengths[0] -= skipped
        some_lengths[-1] -= int(row_ends[last - 1]) - end
        stratum = self._content.stratum
        if kind == TIME_PAGE:
            return stratum.times.ints(some_starts, some_lengths)
        return stratum.values.floats(some_starts, some_lengths)

    def _numbers(self, numbers: NDArray[np.generic]) -> Section:
        return self._section(encode_numbers(numbers, 8), len(numbers))

    def _section(self, data: bytes, count: int) -> Section:
        offset = self._file.size
        self._file.append([data])
        return Section(offset, len(data), count, checksum(self._identity, SECTION, offset, data))

    def _labels(self) -> Iterator[LabelSections]:
        for name, column in self._content.table.columns.items():
            tidy = column.compacted()
            codes = self._numbers(tidy.codes.astype(np.uint32))
            texts = self._section(encode_texts(tidy.values[1:]), len(tidy.values) - 1)
            yield LabelSections(name, codes, texts)
