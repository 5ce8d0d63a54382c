"""What the rules save: sources are asked for fewer labels, and not twice for the same samples."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from novaql import QueryOptions, evaluate
from novaql.inputs.tables.table_source import TableSource
from novaql.options import NameRemoval
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import NO_HINTS, Hints, Selection
from tests.support.generators.random_samples import START_MS, Fleet, batch_of, random_fleet


class Watched(TableSource):
    """Records the labels that each selection asked for, and those that it returned."""

    asked: list[frozenset[str] | None]
    given: list[set[str]]

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self.asked, self.given = [], []

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: Hints = NO_HINTS
    ) -> Selection:
        found = super().select(matchers, start_ms, end_ms, hints)
        self.asked.append(hints.labels)
        self.given.append(set(found.series.columns))
        return found


@pytest.mark.parametrize(
    ("text", "eager", "wanted"),
    [
        ("sum by (job) (rate(requests_total[5m]))", False, frozenset({"__name__", "job"})),
        ("sum by (job) (rate(requests_total[5m]))", True, None),  # names may make rows equal
        ("rate(requests_total[5m])", False, None),
    ],
)
def test_labels_of_a_selection(text: str, eager: bool, wanted: frozenset[str] | None) -> None:
    source = Watched(batch_of(random_fleet(random.Random(3), Fleet())))
    removal = NameRemoval.EAGER if eager else NameRemoval.DELAYED
    start = START_MS + 900_000
    options = QueryOptions(start, start + 600_000, 60_000, name_removal=removal)
    found = evaluate(text, source, options)
    plain = evaluate(text, source, options, optimizer=False)

    assert source.asked[0] == wanted
    if wanted is not None:
        assert source.given[0] <= wanted
    assert found.series.dicts() == plain.series.dicts()
    assert found.values.tolist() == plain.values.tolist()


def test_a_part_of_a_selection_is_not_read_again() -> None:
    table = SeriesTable.from_dicts([{"__name__": "a", "x": x} for x in ("1", "2", "3")])
    times = np.tile(np.arange(0, 600_000, 15_000), 3)
    source = Watched(Batch(table, np.repeat(np.arange(3), 40), times, np.arange(120.0)))

    options = QueryOptions(0, 600_000, 60_000)
    result = evaluate('a{x="1"} / on () group_right () a', source, options)

    assert len(result) == 3
    assert len(source.asked) == 1
