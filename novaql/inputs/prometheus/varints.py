"""Numbers of variable length at many places of one buffer, all read in step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.labels import Ints

Octets = NDArray[np.uint8]
ROOM = 32
"""Bytes that have to be there behind the last number: buffers are padded by so many."""


def padded(data: bytes | memoryview) -> Octets:
    """A buffer with room behind it."""
    out = np.zeros(len(data) + ROOM, np.uint8)
    out[: len(data)] = np.frombuffer(data, np.uint8)
    return out


def uvarints(data: Octets, at: Ints) -> tuple[Ints, Ints]:
    """The unsigned number at each place, as int64, and the place behind it.

    A number ends with its tenth byte at the latest; a place behind the buffer's end is its end.
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
    """The signed number (zigzag) at each place, and the place behind it."""
    number, behind = uvarints(data, at)
    return ((number >> 1) & np.int64(0x7FFF_FFFF_FFFF_FFFF)) ^ -(number & 1), behind


def bigendian(data: Octets, at: Ints) -> NDArray[np.uint64]:
    """The eight bytes at each place as one number."""
    words = np.ndarray((len(data) - 7,), ">u8", data, strides=(1,))
    return words[np.minimum(at, len(words) - 1)].astype(np.uint64)


def runs(begin: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """For runs of items: the run of each item, and its place, run after run.

    begin, counts  [R] where the items of each run begin, and how many there are
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    inside = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, begin[owner] + inside


def live_counts(counts: Ints) -> tuple[Ints, Ints]:
    """Runs in order of their lengths, the longest first; and how many have more than k items."""
    order = np.argsort(-counts, kind="stable")
    longest = int(counts.max(initial=0))
    live = np.searchsorted(-counts[order], -np.arange(1, longest + 1), "right")
    return order, live
