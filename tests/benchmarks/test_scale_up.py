"""The benchmark of many series loads both systems, which give the same answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.scale_up import main

pytestmark = pytest.mark.slow


def test_both_systems_answer_the_same(tmp_path: Path) -> None:
    sizes = ["--series", "150", "--minutes", "30", "--rounds", "1", "--folder", str(tmp_path)]

    done = CliRunner().invoke(main, sizes)

    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["series"], found["samples"]) == (150, 150 * 120)
    assert {name: load["m_samples_a_cpu_s"] > 0 for name, load in found["load"].items()} == {
        "novaql": True,
        "victoriametrics": True,
    }
    answers = found["queries"].items()
    assert {name: (answer["series"], answer["agree"]) for name, answer in answers} == {
        "sum by": (2, True),
        "sum by rate": (2, True),
        "topk": (5, True),
        "one instance": (0, True),
        "count by": (3, True),
        "topk instant": (5, True),
        "label values": (2, True),
        "series": (0, True),
    }
    assert list(tmp_path.iterdir()) == []
