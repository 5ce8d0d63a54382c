"""Bytes in pieces of any size → blocks of whole lines, small enough to be read at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

BLOCK_BYTES = 2 << 20
BLOCK_LINES = 32 << 10
"""Lines are bounded, too, since reading a line of one byte takes hundreds of bytes."""

_NEWLINE = 0x0A
_BEGINNING = 1024
_BLANK = re.compile(rb"^(?:[ \t]*+\n)++", re.MULTILINE)
_BLANK_OR_COMMENT = re.compile(rb"^(?:[ \t]*+(?:#[^\n]*+)?+\n)++", re.MULTILINE)
_BLANK_OR_FREE_COMMENT = re.compile(
    rb"^(?:[ \t]*+(?:#(?![ \t]++(?:HELP|TYPE|UNIT)[ \t])[^\n]*+)?+\n)++", re.MULTILINE
)


def line_blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks that end in a newline, which is added to the last line if it has none.

    A line that is longer than a block is a block of its own.
    """
    whole: list[bytes] = []  # parts of whole lines
    tail: list[bytes] = []  # … and of the line behind them, whose end has not come
    size = tail_size = lines = 0
    for piece in pieces:
        ends = np.flatnonzero(np.frombuffer(piece, np.uint8) == _NEWLINE) + 1
        last = int(ends[-1]) if len(ends) else 0
        at = done = 0
        while at < last:
            fit = int(np.searchsorted(ends, at + BLOCK_BYTES - size - tail_size, "right"))
            fit = min(fit, done + BLOCK_LINES - lines)
            if fit <= done and whole:
                yield b"".join(whole)
                whole, size, lines = [], 0, 0
                continue
            fit = max(fit, done + 1)
            cut = int(ends[fit - 1])
            whole += (*tail, piece[at:cut])
            size += tail_size + cut - at
            lines += fit - done
            tail, tail_size, at, done = [], 0, cut, fit
        if last < len(piece):
            tail.append(piece[last:])
            tail_size += len(piece) - last
    if tail:
        whole += (*tail, b"\n")
    if whole:
        yield b"".join(whole)


def without_blank_lines(block: bytes) -> bytes:
    """Whole lines, without the blank ones if they are many."""
    return _BLANK.sub(b"", block) if _are_many(block, _BLANK) else block


def without_comments(block: bytes) -> bytes:
    """Whole lines, without blank ones and comments if they are many."""
    return _BLANK_OR_COMMENT.sub(b"", block) if _are_many(block, _BLANK_OR_COMMENT) else block


def without_free_comments(block: bytes) -> bytes:
    """As `without_comments`, for Prometheus text: comments that are metadata stay."""
    if not _are_many(block, _BLANK_OR_FREE_COMMENT):
        return block
    return _BLANK_OR_FREE_COMMENT.sub(b"", block)


def _are_many(block: bytes, superfluous: re.Pattern[bytes]) -> bool:
    """Whether such lines are an eighth of the block's beginning. Finding them in all of the block
    would take as long as reading its samples."""
    beginning = block[:_BEGINNING]
    return 8 * sum(map(len, superfluous.findall(beginning))) > len(beginning)
