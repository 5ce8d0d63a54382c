"""The tree of RFC 6962: the vectors of Certificate Transparency, and laws for every size."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.ledger.tree import (
    EMPTY_ROOT,
    Node,
    RunningRoot,
    completed,
    consistency_ranges,
    cover,
    hash_of,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    nodes_of,
    siblings_of,
    verifies_inclusion,
)
from tests.support.reference.consistency_proof import verifies_consistency

LEAVES = [
    bytes.fromhex(text)
    for text in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
MOST = 130


def plain_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(plain_root(leaves[:k]), plain_root(leaves[k:]))


def stored(leaves: Sequence[bytes]) -> dict[Node, bytes]:
    """The nodes of a log that grew entry by entry."""
    nodes: dict[Node, bytes] = {}
    for index, data in enumerate(leaves):
        leaf = leaf_hash(data)
        needed = {node: nodes[node] for node in siblings_of(index)}
        nodes |= {Node(0, index): leaf, **completed(index, leaf, needed)}
    return nodes


DATA = [str(number).encode() for number in range(MOST)]
NODES = stored(DATA)
ROOT_OF = [plain_root(DATA[:size]) for size in range(MOST + 1)]


def proof_of(ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    return [hash_of(one, {node: NODES[node] for node in cover(one)}) for one in ranges]


@pytest.mark.parametrize("size", ROOTS)
def test_vectors(size: int) -> None:
    nodes = stored(LEAVES[:size])
    running = RunningRoot()
    for data in LEAVES[:size]:
        running.add(leaf_hash(data))

    assert hash_of((0, size), nodes).hex() == ROOTS[size]
    assert running.root.hex() == ROOTS[size]
    assert plain_root(LEAVES[:size]).hex() == ROOTS[size]


def test_roots_of_all_sizes() -> None:
    for size in range(MOST + 1):
        assert hash_of((0, size), NODES) == ROOT_OF[size]


def test_every_inclusion_proof_verifies_and_is_short() -> None:
    for size in range(1, MOST + 1, 3):
        for index in range(size):
            proof = proof_of(inclusion_ranges(index, size))
            leaf = NODES[Node(0, index)]
            assert verifies_inclusion(leaf, index, size, proof, ROOT_OF[size])
            assert len(proof) <= (size - 1).bit_length()


def test_every_two_sizes_are_consistent() -> None:
    for size in range(1, MOST + 1, 2):
        for old in range(1, size + 1):
            proof = proof_of(consistency_ranges(old, size))
            assert verifies_consistency(old, size, proof, ROOT_OF[old], ROOT_OF[size])


def test_a_proof_reads_few_nodes() -> None:
    for size in (2, 100, MOST, 10**6 + 7, 2**40 - 1):
        bits = size.bit_length()
        for index in (0, size // 3, size - 1):
            assert len(nodes_of(inclusion_ranges(index, size))) <= 2 * bits
            assert len(nodes_of(consistency_ranges(index + 1, size))) <= 2 * bits
            assert len(siblings_of(index)) <= bits


@given(data=st.data())
def test_any_changed_hash_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, MOST))
    index = data.draw(st.integers(0, size - 1))
    proof = proof_of(inclusion_ranges(index, size))
    parts = [NODES[Node(0, index)], ROOT_OF[size], *proof]
    changed = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    raw = bytearray(parts[changed])
    raw[bit // 8] ^= 1 << (bit % 8)
    parts[changed] = bytes(raw)

    assert not verifies_inclusion(parts[0], index, size, parts[2:], parts[1])


@given(data=st.data())
def test_any_changed_hash_of_a_consistency_proof_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, MOST))
    old = data.draw(st.integers(1, size))
    proof = proof_of(consistency_ranges(old, size))
    parts = [ROOT_OF[old], ROOT_OF[size], *proof]
    changed = data.draw(st.integers(0, len(parts) - 1))
    raw = bytearray(parts[changed])
    raw[data.draw(st.integers(0, 31))] ^= data.draw(st.integers(1, 255))
    parts[changed] = bytes(raw)

    assert not verifies_consistency(old, size, parts[2:], parts[0], parts[1])


@given(data=st.data())
def test_a_proof_of_another_place_or_length_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, MOST))
    index = data.draw(st.integers(0, size - 1))
    leaf, root = NODES[Node(0, index)], ROOT_OF[size]
    proof = proof_of(inclusion_ranges(index, size))
    other = data.draw(st.integers(-1, size + 1))

    assert verifies_inclusion(leaf, other, size, proof, root) == (other == index)
    assert not verifies_inclusion(leaf, index, size, [*proof, leaf], root)
    if proof:
        assert not verifies_inclusion(leaf, index, size, proof[:-1], root)


def test_what_has_no_proof() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="has no leaf"):
            inclusion_ranges(index, size)
    for old, size in ((0, 3), (4, 3), (-1, 3)):
        with pytest.raises(ValueError, match="no proof"):
            consistency_ranges(old, size)
        assert not verifies_consistency(old, size, [], EMPTY_ROOT, EMPTY_ROOT)
