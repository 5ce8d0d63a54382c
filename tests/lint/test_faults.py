"""The linter finds each planted fault of faults.yaml, and nothing in public rule files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from novaql.lint import RULES, Knowledge, lint
from tests.lint.test_lint import known as known

FAULTS: list[dict[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "faults.yaml").read_text(encoding="utf-8")
)
PUBLIC = Path(__file__).parent.parent / "language" / "public_rules"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['rule']}: {fault['query']}")
def test_each_fault_is_found(fault: dict[str, str], known: Knowledge) -> None:
    with_data = {finding.rule for finding in lint(fault["query"], known)}
    without = {finding.rule for finding in lint(fault["query"])}
    assert fault["rule"] in with_data | without


def test_there_are_three_faults_of_each_rule() -> None:
    assert len(FAULTS) >= 60
    counts = Counter(fault["rule"] for fault in FAULTS)
    assert {rule for rule in RULES if counts[rule] < 3} == set()
    assert all(fault["note"] for fault in FAULTS)


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


@pytest.mark.skipif(not PUBLIC.exists(), reason="no rule files of public projects")
def test_nothing_is_found_in_good_queries() -> None:
    texts = public_expressions()
    assert len(texts) >= 200
    found = {text: list(map(str, lint(text))) for text in texts}
    assert {text: findings for text, findings in found.items() if findings} == {}
