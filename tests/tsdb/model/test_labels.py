"""What a table of label sets remembers about itself is what it would find out again."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from novaql.tsdb.model.labels import SeriesTable

label_sets = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "__name__"]), st.sampled_from(["x", "y", "é", ""])),
    max_size=6,
)


@given(label_sets)
def test_order_and_distinctness(sets: list[dict[str, str]]) -> None:
    table = SeriesTable.from_dicts(sets)
    present = [{n: v for n, v in labels.items() if v} for labels in sets]
    by_rule = sorted(
        range(len(sets)),
        key=lambda n: [(k.encode(), v.encode()) for k, v in sorted(present[n].items())],
    )

    for _ in range(2):  # found out, and remembered
        assert table.is_distinct() == all(a not in present[n + 1 :] for n, a in enumerate(present))
        order, ordered = table.in_order()
        assert [present[row] for row in order.tolist()] == [present[n] for n in by_rule]
        assert ordered.dicts() == [present[n] for n in by_rule]
        assert table.in_order()[1] is ordered
