"""Plans as nodes with their places in the text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from novaql import explain_nodes
from novaql.cli.main import run


def test_each_node_has_its_place() -> None:
    text = "sum by (job) (rate(up[5m]))\n  default 0"
    nodes = explain_nodes(text)
    assert [(n.kind, text[n.start : n.end], n.line, n.column) for n in nodes] == [
        ("Default", text, 1, 1),
        ("Aggregation", "sum by (job) (rate(up[5m]))", 1, 1),
        ("FunctionCall", "rate(up[5m])", 1, 15),
        ("Window", "up[5m]", 1, 20),
        ("Select", "up", 1, 20),
        ("Constant", "0", 2, 11),
    ]
    assert [n.children for n in nodes] == [(1, 5), (2,), (3,), (4,), (), ()]
    assert [n.number for n in nodes] == list(range(6))


def test_a_shared_part_is_one_node() -> None:
    nodes = explain_nodes("let r = sum(rate(up[5m])) in r / (r + 1)")
    (shared,) = [n for n in nodes if n.kind == "Shared"]
    assert sum(shared.number in n.children for n in nodes) == 2
    assert sum(n.kind == "Select" for n in nodes) == 1


@pytest.mark.slow
def test_a_chain_of_thousands() -> None:
    nodes = explain_nodes(" + ".join(["up"] * 3000))
    assert len(nodes) > 3000


def test_in_a_shell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.prom"
    page.write_text('heat{room="hall"} 20 1000\n')
    assert run(["query", "max(heat)", "--explain", "--format", "json"]) == 0
    plan = json.loads(capfd.readouterr().out)
    assert [n["kind"] for n in plan] == ["Aggregation", "Select"]
    asked = ["query", "max(heat)", "--explain", "analyze", "--format", "json"]
    assert run([*asked, "--data", str(page), "--time", "1"]) == 0
    costs = [n["cost"] for n in json.loads(capfd.readouterr().out)]
    assert (costs[0]["series"], costs[1]["samples"]) == (1, 1)
