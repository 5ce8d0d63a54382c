"""The breadth benchmark names every function, aggregator and operator once, and can ask each."""

from __future__ import annotations

from collections import Counter

import pytest
from click.testing import CliRunner

from benchmarks.breadth import main
from benchmarks.breadth_data import breadth
from benchmarks.breadth_entries import ENTRIES
from novaql.language import AGGREGATORS, FUNCTIONS
from novaql.language.precedence import PRECEDENCE


def test_every_function_aggregator_and_operator_has_one_entry() -> None:
    named = Counter(entry.name for entry in ENTRIES)

    assert named == Counter([*FUNCTIONS, *AGGREGATORS, *PRECEDENCE])


@pytest.mark.slow
def test_every_entry_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.breadth.warmup", dict)  # nothing is timed
    done = CliRunner().invoke(
        main, ["--no-peers", "--rounds", "1", "--series", "20", "--steps", "5"]
    )

    assert done.exit_code == 0, done.output


def test_the_samples_are_the_same_each_time() -> None:
    first, second = (b"".join(breadth(20, 3).messages()) for _ in range(2))

    assert first == second
