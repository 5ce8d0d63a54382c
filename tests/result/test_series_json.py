"""Label sets as JSON are those of a list of dicts."""

from __future__ import annotations

from unittest.mock import patch

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.export import labels_json
from novaql.tsdb.model.labels import SeriesTable

pytestmark = pytest.mark.slow

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
label_sets = st.lists(
    st.dictionaries(st.sampled_from(["A", "__name__", "job", "é"]), texts, max_size=4), max_size=6
)


@given(label_sets, st.booleans(), st.sampled_from([1, 700, 20_000, labels_json.AT_ONCE]))
def test_like_a_list_of_dicts(some: list[dict[str, str]], named: bool, at_once: int) -> None:
    sets = [labels | ({"__name__": ',},{"x":'} if named else {}) for labels in some] * 60
    table = SeriesTable.from_dicts(sets)

    with patch.object(labels_json, "AT_ONCE", at_once), patch.object(labels_json, "FEW", 3):
        assert labels_json.series_json(table) == orjson.dumps(table.dicts())


def test_many_series_are_not_encoded_one_by_one() -> None:
    table = SeriesTable.from_dicts(
        [{"__name__": "m", "instance": f"i{n:05}", "path": "x" * 100} for n in range(50_000)]
    )
    with patch.object(labels_json, "metric_texts", side_effect=AssertionError("one by one")):
        found = labels_json.series_json(table)

    assert orjson.loads(found) == table.dicts()
