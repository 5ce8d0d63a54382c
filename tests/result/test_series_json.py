"""Label sets as JSON are those of a list of dicts."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from novaql.export.series_json import series_json
from tsdb.labels import SeriesTable

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
label_sets = st.lists(
    st.dictionaries(st.sampled_from(["A", "__name__", "job", "é"]), texts, max_size=4), max_size=6
)


@given(label_sets, st.booleans())
def test_like_a_list_of_dicts(some: list[dict[str, str]], named: bool) -> None:
    sets = [labels | ({"__name__": ',},{"x":'} if named else {}) for labels in some] * 60
    table = SeriesTable.from_dicts(sets)

    assert series_json(table) == orjson.dumps(table.dicts())
