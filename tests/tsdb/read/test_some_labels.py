"""A selection of some labels is the whole one without the others, whatever happened before."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import Hints
from tests.support.store.churned import LAST_S, churned_store

MATCHERS: tuple[list[Matcher], ...] = (
    [],
    [Matcher("g", MatchOp.EQUAL, "1")],
    [Matcher("i", MatchOp.REGEX, "1.*|2")],
    [Matcher("g", MatchOp.NOT_EQUAL, "2")],
)
LABELS = (frozenset[str](), frozenset({"g"}), frozenset({"__name__", "i"}), frozenset({"only1"}))
Row = tuple[dict[str, str], list[int], bytes]


def rows_of(
    database: tsdb.Database,
    matchers: list[Matcher],
    start_ms: int,
    end_ms: int,
    labels: frozenset[str] | None,
) -> dict[int, Row]:
    """By row of the selection: labels, times, and values."""
    found = database.select(matchers, start_ms, end_ms, Hints(labels=labels))
    sets = found.series.dicts()
    rows = {}
    for view in found.views():
        flat = view.ragged()
        assert flat.offsets is not None
        for row, begin, end in zip(flat.rows, flat.offsets, flat.offsets[1:], strict=False):
            if end > begin:
                times, values = flat.timestamps[begin:end], flat.values[begin:end]
                rows[int(row)] = sets[row], times.tolist(), values.tobytes()
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_some_labels_of_the_same_rows(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    with churned_store(rng, tmp_path / "store") as database:
        start_ms, width = 0, 0
        for turn in range(24):
            if turn % 3:  # a range that moves on is planned with a wider one
                start_ms += rng.randrange(20) * 1000
            else:
                start_ms, width = rng.randrange(LAST_S) * 1000, rng.randrange(1_000_000)
            matchers, labels = rng.choice(MATCHERS), rng.choice(LABELS)
            whole = rows_of(database, matchers, start_ms, start_ms + width, None)
            some = rows_of(database, matchers, start_ms, start_ms + width, labels)
            assert len({tuple(sets.items()) for sets, _, _ in whole.values()}) == len(whole)
            assert some == {
                row: ({n: text for n, text in sets.items() if n in labels}, times, values)
                for row, (sets, times, values) in whole.items()
            }
            if rng.random() < 0.2:  # the head grows, becomes a block, or blocks become one
                fresh = {"__name__": "m", "i": str(rng.randrange(30)), "new": str(turn)}
                at = np.array([rng.randrange(LAST_S) * 1000])
                row = np.zeros(1, np.int64)
                database.append(tsdb.Batch(SeriesTable.from_dicts([fresh]), row, at, np.ones(1)))
                if rng.random() < 0.5:
                    database.flush()
                if rng.random() < 0.3:
                    database.compact()
