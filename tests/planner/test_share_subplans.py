"""Equal parts of a plan are evaluated once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from novaql import evaluate
from novaql.inputs.tables.table_source import TableSource
from novaql.language import parse
from novaql.options import QueryOptions
from novaql.planner import build_plan
from novaql.planner.logical import show
from novaql.planner.optimizer import of_floats
from novaql.planner.rules.share_subplans import share_subplans
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import NO_HINTS, Hints, Selection

OPTIONS = QueryOptions(0, 600_000, 60_000)


def shared(text: str) -> str:
    """The plan as text, with shared parts numbered as they come."""
    plan = show(share_subplans(of_floats(build_plan(parse(text), text, OPTIONS))))
    numbers: dict[str, int] = {}
    return re.sub(
        r"number=(\d+)", lambda m: f"number={numbers.setdefault(m[1], len(numbers) + 1)}", plan
    )


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        (
            "a / (a + b)",
            "BinaryOp op=/\n"
            "  Shared number=1\n"
            "    Select {__name__='a'}\n"
            "  BinaryOp op=+\n"
            "    Shared number=1\n"
            "    Select {__name__='b'}",
        ),
        (
            "sum(a * b) / count(a * b)",
            "BinaryOp op=/\n"
            "  Aggregation op=sum\n"
            "    Shared number=1\n"
            "      BinaryOp op=*\n"
            "        Select {__name__='a'}\n"
            "        Select {__name__='b'}\n"
            "  Aggregation op=count\n"
            "    Shared number=1",
        ),
        (
            "a - on (x) group_left () avg by (x) (a)",
            "BinaryOp op=- matching=Matching(cardinality=<Cardinality.MANY_TO_ONE: 'many-to-one'>,"
            " on=True, labels=('x',), include=(), fill_left=None, fill_right=None)\n"
            "  Shared number=1\n"
            "    Select {__name__='a'}\n"
            "  Aggregation op=avg grouping=('x',)\n"
            "    Shared number=1",
        ),
        (
            'max_over_time(a{x="1"}[5m]) or max_over_time(a[5m])',
            "BinaryOp op=or matching=Matching(cardinality=<Cardinality.MANY_TO_MANY: "
            "'many-to-many'>, on=False, labels=(), include=(), fill_left=None, fill_right=None)\n"
            "  Subset {x='1'}\n"
            "    Shared number=1\n"
            "      FunctionCall function=max_over_time\n"
            "        Window range_ms=300000\n"
            "          Select {__name__='a'}\n"
            "  Shared number=1",
        ),
    ],
)
def test_equal_parts_are_shared(text: str, plan: str) -> None:
    assert shared(text) == plan


@pytest.mark.parametrize(
    "text",
    [
        "a + b",
        "sum(rate(a[5m])) / count(rate(a[5m]))",  # folded tile by tile, and never held
        'sum(rate(a{x="1"}[5m])) / sum(rate(a[5m]))',
        "timestamp(a) + timestamp(a offset 1m)",
        "a offset 1m + a",
        "a[5m]",
        "a * 0 + b * -0",
        '{__name__=~"a|b"} + a',
    ],
)
def test_what_differs_or_is_folded_is_not(text: str) -> None:
    assert "Shared" not in shared(text)


class Counting(TableSource):
    """Counts selections."""

    selected = 0

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: Hints = NO_HINTS
    ) -> Selection:
        self.selected += 1
        return super().select(matchers, start_ms, end_ms, hints)


def test_a_part_of_a_selection_is_not_read_again() -> None:
    table = SeriesTable.from_dicts([{"__name__": "a", "x": x} for x in ("1", "2", "3")])
    times = np.tile(np.arange(0, 600_000, 15_000), 3)
    source = Counting(Batch(table, np.repeat(np.arange(3), 40), times, np.arange(120.0)))

    result = evaluate('a{x="1"} / on () group_right () a', source, OPTIONS)

    assert len(result) == 3
    assert source.selected == 1


def test_plans_that_double_at_every_level_stay_small() -> None:
    text = "a"
    for _ in range(40):
        text = f"abs({text})"
    doubled = "a"
    for _ in range(12):
        doubled = f"({doubled} + {doubled})"

    assert "Shared" not in shared(text)
    assert shared(doubled).count("Select") == 1
