"""Numbers and checksums in files of Prometheus: one by one, or many in step as arrays."""

from __future__ import annotations

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Ints

Octets = NDArray[np.uint8]
PADDING = 32
"""Zero bytes after the data of a buffer: a decoder may read this far beyond the end of a number."""
CHECKSUM = 4
"""Bytes of a checksum."""


def is_intact(content: bytes, checksum: bytes | memoryview) -> bool:
    """Whether the checksum (CRC-32C, `CHECKSUM` bytes, big-endian) is that of the content."""
    found: int = google_crc32c.value(content)
    return len(checksum) == CHECKSUM and found == int.from_bytes(checksum, "big")


def uvarint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """The unsigned number at a position, of ten bytes at most, and the position after it."""
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return number, at


def padded(data: bytes | memoryview) -> Octets:
    """A buffer with `PADDING` after the data."""
    out = np.zeros(len(data) + PADDING, np.uint8)
    out[: len(data)] = np.frombuffer(data, np.uint8)
    return out


def uvarints(data: Octets, at: Ints) -> tuple[Ints, Ints]:
    """The unsigned number at each position, as int64, and the position after it.

    A number ends with its tenth byte at the latest; a position after the buffer's end is its end.
    """
    last = len(data) - 1
    found = data[np.minimum(at, last)]
    number = (found & 0x7F).astype(np.int64)
    behind = at + 1
    more = np.flatnonzero(found >= 0x80)
    shift = 7
    while len(more) and shift < 70:
        found = data[np.minimum(behind[more], last)]
        number[more] |= (found & 0x7F).astype(np.int64) << min(shift, 63)
        behind[more] += 1
        more = more[found >= 0x80]
        shift += 7
    return number, behind


def varints(data: Octets, at: Ints) -> tuple[Ints, Ints]:
    """The signed number (zigzag) at each position, and the position after it."""
    number, behind = uvarints(data, at)
    return ((number >> 1) & np.int64(0x7FFF_FFFF_FFFF_FFFF)) ^ -(number & 1), behind


def bigendian(data: Octets, at: Ints) -> NDArray[np.uint64]:
    """The eight bytes at each position as one number."""
    words = np.ndarray((len(data) - 7,), ">u8", data, strides=(1,))
    return words[np.minimum(at, len(words) - 1)].astype(np.uint64)


def runs(begin: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """For each item of runs, run after run: the number of its run, and its position.

    begin, counts  [R] where the items of each run begin, and how many there are
    """
    return np.repeat(np.arange(len(counts)), counts), flat_positions(begin, counts)


def live_counts(counts: Ints) -> tuple[Ints, Ints]:
    """Runs in order of their lengths, the longest first; and how many have more than k items."""
    order = np.argsort(-counts, kind="stable")
    longest = int(counts.max(initial=0))
    live = np.searchsorted(-counts[order], -np.arange(1, longest + 1), "right")
    return order, live
