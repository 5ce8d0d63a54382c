"""Hashes and proofs of the Merkle tree of RFC 6962, as pure functions.

A *node* is a complete subtree: `Node(level, position)` covers the leaves from
`position * 2**level` to `(position + 1) * 2**level`, and never changes once it exists. Proofs and
roots are computed from the hashes of a few nodes, so a log that stores its nodes reads O(log n).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""

Range = tuple[int, int]
"""The leaves of a subtree, which need not be complete: the first, and the one after the last."""


class Node(NamedTuple):
    """A complete subtree of `2**level` leaves; level 0: a leaf."""

    level: int
    position: int


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a subtree from the hashes of its two parts."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def cover(leaves: Range) -> list[Node]:
    """Return the complete subtrees that a subtree of the tree consists of, the largest first."""
    begin, end = leaves
    nodes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append(Node(level, begin >> level))
        begin += 1 << level
    return nodes


def hash_of(leaves: Range, hashes: Mapping[Node, bytes]) -> bytes:
    """Return the hash of a subtree from the hashes of the nodes that cover it."""
    parts = [hashes[node] for node in cover(leaves)]
    if not parts:
        return EMPTY_ROOT
    found = parts.pop()
    while parts:
        found = node_hash(parts.pop(), found)
    return found


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the subtrees whose hashes prove that leaf `index` is in the tree of `size` leaves."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    begin, end = 0, size
    ranges = []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]


def consistency_ranges(old: int, size: int) -> list[Range]:
    """Return the subtrees whose hashes prove that the tree of `size` leaves begins with the tree of
    `old` leaves."""
    if not 0 < old <= size:
        raise ValueError(f"there is no proof from {old} to {size} leaves")
    begin, end = 0, size
    ranges = []
    while old < end:
        middle = begin + _split(end - begin)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin:
        ranges.append((begin, end))
    return ranges[::-1]


def nodes_of(ranges: Sequence[Range]) -> set[Node]:
    """Return the nodes whose hashes some subtrees need."""
    return {node for leaves in ranges for node in cover(leaves)}


def siblings_of(index: int) -> list[Node]:
    """Return the nodes with which leaf `index` completes larger nodes, the smallest first."""
    nodes = []
    level = 0
    while (index >> level) & 1:
        nodes.append(Node(level, (index >> level) - 1))
        level += 1
    return nodes


def completed(index: int, leaf: bytes, hashes: Mapping[Node, bytes]) -> dict[Node, bytes]:
    """Return the nodes above the leaves that a new leaf completes.

    hashes  of `siblings_of(index)`
    """
    nodes = {}
    found = leaf
    for sibling in siblings_of(index):
        found = node_hash(hashes[sibling], found)
        nodes[Node(sibling.level + 1, sibling.position >> 1)] = found
    return nodes


def verifies_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether a proof shows that a leaf is in the tree with this size and root (RFC 9162,
    2.1.3.2)."""
    if not 0 <= index < size:
        return False
    left, last = index, size - 1
    found = leaf
    for part in proof:
        if last == 0:
            return False
        if left & 1 or left == last:
            found = node_hash(part, found)
            while not left & 1 and left:
                left, last = left >> 1, last >> 1
        else:
            found = node_hash(found, part)
        left, last = left >> 1, last >> 1
    return last == 0 and found == root


class RunningRoot:
    """The root of leaves that are added one by one. It holds O(log n) hashes."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        found, index = leaf, self.size
        while index & 1:
            found = node_hash(self._parts.pop(), found)
            index >>= 1
        self._parts.append(found)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root of the leaves so far."""
        if not self._parts:
            return EMPTY_ROOT
        found = self._parts[-1]
        for part in reversed(self._parts[:-1]):
            found = node_hash(part, found)
        return found


def _split(size: int) -> int:
    """Return the largest power of two that is smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)
