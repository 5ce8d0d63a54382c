"""Packed cells folded as if they were written out."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.evaluator.kernels.group_reduce import ACCUMULATORS
from novaql.evaluator.kernels.packed_folds import reduce_packed, takes_packed
from novaql.evaluator.pipeline.block import Block

values_of = st.one_of(
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.sampled_from([1e100, -1e100, 1e300, float("inf"), float("nan")]),
)


@pytest.mark.parametrize("op", ["sum", "avg", "count", "group"])
@given(st.data())
def test_as_if_written_out(op: str, data: st.DataObject) -> None:
    series, steps, groups = (data.draw(st.integers(1, 5)) for _ in range(3))
    cells = np.array(sorted(data.draw(st.sets(st.integers(0, series * steps - 1)))), np.int64)
    count = len(cells)
    values = np.array(data.draw(st.lists(values_of, min_size=count, max_size=count)), np.float64)
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), np.bool_)
    valid = data.draw(st.sampled_from([None, flags]))
    group = np.array(
        data.draw(st.lists(st.integers(0, groups - 1), min_size=series, max_size=series))
    )
    block = Block(np.arange(series), values, valid, cells, steps)

    packed, dense = ACCUMULATORS[op](groups, steps), ACCUMULATORS[op](groups, steps)
    with np.errstate(all="ignore"):
        assert takes_packed(packed)
        packed.merge(reduce_packed(packed, group, cells, values, valid, steps))
        written = block.dense()
        dense.add(group, written.values, written.presence())
        found, there = packed.finish()
        expected, expected_there = dense.finish()

    np.testing.assert_array_equal(there, expected_there)
    far = 2.0**-100 * np.abs(values).max(initial=0.0)
    np.testing.assert_allclose(
        found[there], expected[there], rtol=1e-15, atol=far if np.isfinite(far) else 0.0
    )


@given(st.data())
def test_a_packed_block_and_the_same_written_out(data: st.DataObject) -> None:
    series, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    cells = np.array(sorted(data.draw(st.sets(st.integers(0, series * steps - 1)))), np.int64)
    valid = data.draw(st.sampled_from([None, np.arange(len(cells)) % 3 > 0]))
    rows = np.array(data.draw(st.permutations(range(series + 2))))[:series]
    block = Block(rows, cells.astype(np.float64) + 0.5, valid, cells, steps)
    dense = block.dense()

    for one in (block, dense):
        out, there = np.zeros((series + 2, steps)), np.zeros((series + 2, steps), np.bool_)
        one.write(out, there)
        for number, row in enumerate(rows.tolist()):
            for step in range(steps):
                cell = number * steps + step
                at = np.flatnonzero(cells == cell)
                has = len(at) > 0 and (valid is None or bool(valid[at[0]]))
                assert there[row, step] == has == one.presence()[number, step]
                if has:
                    assert out[row, step] == cell + 0.5
    assert dense.cells is None
