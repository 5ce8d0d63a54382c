"""Random templates: the real promtool takes the same ones, and they give the same text."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path

import pytest

from novaql.rules.templates import TemplateProblem, expand_alert_template, parse_alert_template
from tests.support.generators.random_templates import broken_template, working_template
from tests.support.programs.prometheus_programs import program

pytestmark = pytest.mark.slow

JOB = "a.b:1"
VALUE = 1234.5
LABELS = {"__name__": "x", "job": JOB}
FAILED = "<error expanding template"


def parses(text: str) -> bool:
    try:
        parse_alert_template(text)
    except TemplateProblem:
        return False
    return True


def test_the_same_templates_parse(tmp_path: Path) -> None:
    dice = random.Random(20)
    texts = [broken_template(dice) for _ in range(3000)]
    rules = [{"alert": f"A{n}", "expr": "up", "annotations": {"t": t}} for n, t in enumerate(texts)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))

    file = str(tmp_path / "rules.yml")
    command = [program("promtool"), "check", "rules", "--lint=none", file]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    bad = {int(number) for number in re.findall(r'rule \d+, "A(\d+)": ', said)}

    assert len(texts) // 10 < len(bad) < len(texts)  # both kinds were tried
    assert [t for n, t in enumerate(texts) if parses(t) == (n in bad)] == []


def expanded(text: str) -> str:
    return expand_alert_template(
        text,
        LABELS,
        VALUE,
        query=lambda expr: [(LABELS, VALUE)],
        time_ms=0,
        external_labels={},
        external_url="",
    )


def test_the_same_templates_give_the_same(tmp_path: Path) -> None:
    dice = random.Random(21)
    texts = {f"a{n}": working_template(dice) for n in range(1500)}
    rule = {"alert": "A", "expr": "x", "annotations": texts}
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))
    series = {"series": f'x{{job="{JOB}"}}', "values": str(VALUE)}
    test = {"input_series": [series], "alert_rule_test": [{"alertname": "A"}]}
    (tmp_path / "test.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "tests": [test]}))

    command = [program("promtool"), "test", "rules", str(tmp_path / "test.yml")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    found = re.search(r"got:\[.*?Annotations:\{(.*)\}\n", said, re.S)
    assert found is not None, said
    pairs = re.findall(r'(a\d+)=("(?:[^"\\]|\\.)*")', found[1])
    theirs = {name: json.loads(text.replace("\\x", "\\u00")) for name, text in pairs}

    different = {}
    failures = 0
    for name, text in texts.items():
        mine, wanted = expanded(text), theirs.get(name, "")
        both_fail = mine.startswith(FAILED) and wanted.startswith(FAILED)
        failures += both_fail
        if mine != wanted and not both_fail:
            different[text] = (mine, wanted)
    assert different == {}
    assert failures < len(texts) / 3  # most of them could be carried out
