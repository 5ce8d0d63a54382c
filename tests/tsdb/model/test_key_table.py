"""Keys are numbered as a dictionary numbers them, in less memory."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novaql.tsdb.model.key_table import KeyTable, TokenColumn, Tokens, random_source

NEAR = st.tuples(st.sampled_from([0, 1, 255, 256, 512, 2**63]), st.integers(0, 40))
"""Keys of which many begin their search at one slot, and some differ in one half only."""


def _keys(pairs: list[tuple[int, int]]) -> Tokens:
    return np.array(pairs, np.uint64).reshape(-1, 2)


@given(st.lists(st.tuples(st.lists(NEAR, max_size=12), st.sampled_from([1, 10])), max_size=12))
def test_equal_keys_have_one_number_in_order_of_appearance(
    batches: list[tuple[list[tuple[int, int]], int]],
) -> None:
    """Few keys are searched one by one, others together."""
    table = KeyTable()
    known: dict[tuple[int, int], int] = {}
    for some, times in batches:
        batch = some * times
        before = len(known)
        expected = [known.setdefault(key, len(known)) for key in batch]

        numbers, fresh = table.add(_keys(batch))

        assert numbers.tolist() == expected
        assert [known[batch[at]] for at in fresh.tolist()] == list(range(before, len(known)))
        assert len(table) == len(known)


def test_keys_are_found_after_the_table_grew_and_take_few_bytes() -> None:
    table = KeyTable()
    keys: Tokens = np.random.default_rng(1).integers(0, 2**64, (40_000, 2), np.uint64)
    for part in np.split(keys, 8):
        table.add(part)

    numbers, fresh = table.add(keys)

    assert numbers.tolist() == list(range(40_000))
    assert len(fresh) == 0
    assert table.nbytes <= 50 * 40_000


def test_the_empty_text_adds_nothing_and_others_have_tokens_of_their_own() -> None:
    tokens = TokenColumn(random_source())
    for count in (3, 2, 100):
        tokens.reserve(count)
    found = tokens.of(np.arange(100, dtype=np.int32))
    assert found[0].tolist() == [0, 0]
    assert len(np.unique(found, axis=0)) == 100
