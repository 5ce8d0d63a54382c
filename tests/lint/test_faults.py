"""The linter finds each planted fault of faults.yaml, and nothing in public rule files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from novaql.lint import RULES, Knowledge, lint
from tests.lint.test_lint import known as known
from tests.support.repository.documents import blocks
from tests.support.repository.files import ROOT

PLANTED: dict[str, list[dict[str, str]]] = yaml.safe_load(
    (Path(__file__).parent / "faults.yaml").read_text(encoding="utf-8")
)
FAULTS = [fault for section in PLANTED.values() for fault in section]
PLANNED: frozenset[str] = frozenset()
"""Rules that are not written yet; their faults are planted already."""
PUBLIC = Path(__file__).parent.parent / "language" / "public_rules"


def _case(fault: dict[str, str]) -> Any:
    name = f"{fault['rule']}: {fault['query']}"
    later = pytest.mark.xfail(strict=True, reason="the rule is not written yet")
    return pytest.param(fault, id=name, marks=[later] if fault["rule"] in PLANNED else [])


@pytest.mark.parametrize("fault", [_case(fault) for fault in FAULTS])
def test_each_fault_is_found(fault: dict[str, str], known: Knowledge) -> None:
    query = fault["query"]
    found = [f for f in (*lint(query, known), *lint(query)) if f.rule == fault["rule"]]
    assert found
    if "at" in fault:
        assert {query[f.column - 1 :][: f.length] for f in found} == {fault["at"]}


def test_there_are_three_faults_of_each_rule() -> None:
    assert len(FAULTS) >= 60
    counts = Counter(fault["rule"] for fault in FAULTS)
    assert set(counts) == set(RULES) | PLANNED
    assert {rule for rule in counts if counts[rule] < 3} == set()
    assert all(fault["note"] for fault in FAULTS)


def test_each_planned_fault_is_a_query() -> None:
    for fault in FAULTS:
        if fault["rule"] in PLANNED:
            assert isinstance(lint(fault["query"]), list)  # raises if it does not parse
            assert fault["at"] in fault["query"]


def test_half_of_the_faults_were_planted_before_their_rule() -> None:
    assert set(PLANTED) == {"before_the_rule", "with_the_rule"}
    assert 2 * len(PLANTED["before_the_rule"]) >= len(FAULTS)
    assert len(FAULTS) == len({fault["query"] for fault in FAULTS})


def _expressions(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in _expressions(item)]
    if not isinstance(node, dict):
        return []
    own = [node["expr"]] if isinstance(node.get("expr"), str) else []
    return own + [found for value in node.values() for found in _expressions(value)]


def public_expressions() -> list[str]:
    files = [
        file for file in sorted(PUBLIC.rglob("*")) if file.suffix in (".yml", ".yaml", ".rules")
    ]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return list(dict.fromkeys(e for text in texts for e in _expressions(yaml.safe_load(text))))


@pytest.mark.slow
@pytest.mark.skipif(not PUBLIC.exists(), reason="no rule files of public projects")
def test_nothing_is_found_in_good_queries() -> None:
    texts = public_expressions()
    assert len(texts) >= 200
    found = {text: list(map(str, lint(text))) for text in texts}
    assert {text: findings for text, findings in found.items() if findings} == {}


def test_nothing_is_found_in_the_cookbook() -> None:
    page = (ROOT / "docs/how-to/cookbook.md").read_text(encoding="utf-8")
    texts = [block.text for block in blocks(page) if block.language == "promql"]
    assert len(texts) >= 30
    found = {text: list(map(str, lint(text))) for text in texts}
    assert {text: findings for text, findings in found.items() if findings} == {}
