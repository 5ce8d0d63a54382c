"""Writes the samples of the head as blocks, one for each range of time."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from novaql.tsdb.block.contents import Content, arrange
from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.block.writer import write_block
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.head.head import HeadPart
from novaql.tsdb.index.match import label_table
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.sorted_run import RunDirectory

BLOCK_MS = 2 * 3600 * 1000
_LADDER = (1, 3, 9, 27, 81)
"""Multiples of `block_ms` that a block may cover: the widths of compacted blocks."""
_WIDER = 4
"""Ratio of successive widths beyond, for samples that are far apart."""
_MOST_BLOCKS = 512
SUFFIX = ".block"


def block_name(number: int) -> str:
    """Return the file name of a block with samples of the head; its number is also its sequence."""
    return f"{number:010d}{SUFFIX}"


def rewritten_name(sequence: int) -> str:
    """Return a file name that no other file has, for a block that replaces others."""
    return f"{sequence:010d}-{secrets.token_hex(8)}{SUFFIX}"


def sequence_of(name: str) -> int | None:
    """Return the sequence of the block with this file name; None for other names."""
    number, _, _ = name.removesuffix(SUFFIX).partition("-")
    return int(number) if name.endswith(SUFFIX) and number.isdecimal() else None


def flushed_widths(block_ms: int) -> Iterator[int]:
    """Yield every width of blocks that a flush writes. Each is a multiple of the one before, so of
    two windows one contains the other, or they have no time in common."""
    for n in _LADDER:
        yield block_ms * n
    width = block_ms * _LADDER[-1]
    while True:
        width *= _WIDER
        yield width


def block_width(runs: Sequence[RunDirectory], block_ms: int) -> int:
    """Return the time that a block should cover: `block_ms`, or a multiple if the data spans far
    more.

    A live head spans little more than a block. An import of history spans days, and its blocks
    would have to be merged soon if they were small. Outliers, the lowest and highest 2 %, are
    ignored.
    """
    first = np.concatenate([run.grid_first[whole(run.grid_of)] for run in runs])
    last = np.concatenate([run.grid_last[whole(run.grid_of)] for run in runs])
    span = int(np.quantile(last, 0.98) - np.quantile(first, 0.02))
    total = int(last.max()) - int(first.min())
    return next(
        width
        for width in flushed_widths(block_ms)
        if (span <= 2 * width or width >= block_ms * _LADDER[-1]) and total // width <= _MOST_BLOCKS
    )


def contents(head: HeadPart, block_ms: int) -> Iterator[Content]:
    """Yield the content of each block, by time. The head must have a single run."""
    labels = partial(label_table, head.index())
    for run in head.runs:
        layers = run.layers()
        runs = [layer.run for layer in layers]
        width = block_width(runs, block_ms)
        begin = min(run.earliest for run in runs) // width
        end = max(run.latest for run in runs) // width
        for number in range(begin, end + 1):
            content = arrange(layers, labels, number * width, (number + 1) * width - 1)
            if content is not None:
                yield content


def write_head(
    disk: Disk, folder: Path, head: HeadPart, first_number: int, block_ms: int
) -> list[BlockEntry]:
    """Write the blocks of a head. Raises `OSError`; blocks that were written before it remain, but
    no manifest has them."""
    entries = []
    for number, content in enumerate(contents(head, block_ms), first_number):
        path = folder / block_name(number)
        entries.append(write_block(disk, path, content, sequence=number))
    return entries
