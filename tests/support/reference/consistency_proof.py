"""Verifies a consistency proof of a Merkle tree, step by step as RFC 9162 describes it."""

from __future__ import annotations

from collections.abc import Sequence

from novaql.ledger.tree import node_hash


def verifies_consistency(
    old: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes
) -> bool:
    """Whether a proof shows that a tree begins with an older one (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not proof and old_root == root
    parts = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not parts:
        return False
    left, last = old - 1, size - 1
    while left & 1:
        left, last = left >> 1, last >> 1
    first = second = parts[0]
    for part in parts[1:]:
        if last == 0:
            return False
        if left & 1 or left == last:
            first, second = node_hash(part, first), node_hash(part, second)
            while not left & 1 and left:
                left, last = left >> 1, last >> 1
        else:
            second = node_hash(second, part)
        left, last = left >> 1, last >> 1
    return last == 0 and first == old_root and second == root
