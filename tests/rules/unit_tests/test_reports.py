"""What a test run leaves behind: text, JUnit, coverage."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from novaql.cli.main import run

RULES = """
groups:
  - name: g
    rules:
      - {record: base, expr: x * 2}
      - {record: top, expr: base + 1}
      - {record: lonely, expr: x}
      - {alert: Named, expr: top > 5}
      - {alert: Shown, expr: x > 5}
      - {alert: Silent, expr: x > 6}
"""
TESTS = """
rule_files: [rules.yml]
tests:
  - name: first
    input_series: [{series: x, values: "5x5"}]
    alert_rule_test: [{alertname: Named, exp_alerts: [{}]}]
  - name: second
    input_series: [{series: x, values: "9x5"}]
    promql_expr_test:
      - expr: ALERTS{alertname="Shown"}
        exp_samples: [{labels: 'ALERTS{alertname="Shown", alertstate="firing"}', value: 1}]
  - name: wrong
    promql_expr_test: [{expr: "1", exp_samples: [{labels: "", value: 2}]}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "tests.yml").write_text(TESTS)
    return tmp_path


def test_failures_say_where(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["test", "rules", str(folder / "tests.yml")]) == 1

    said = capfd.readouterr().err
    assert "exp: {} 2E+00\n        got: {} 1E+00" in said
    assert f"at: {folder}/tests.yml:13:31" in said


def test_run_picks_tests(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tests = str(folder / "tests.yml")

    assert run(["test", "rules", "--run", "^(first|second)$", tests]) == 0
    assert run(["test", "rules", "--run", "wr", "--run", "zz", tests]) == 1
    assert run(["test", "rules", "--run", "(", tests]) == 2
    assert "--run" in capfd.readouterr().err


def test_coverage(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(["test", "rules", "--coverage", str(folder / "tests.yml")])

    lines = capfd.readouterr().out.splitlines()
    assert lines[-3:] == [
        f"{folder}/rules.yml:7:9: group 'g': lonely is not tested",
        f"{folder}/rules.yml:10:9: group 'g': Silent is not tested",
        "coverage: 66.7% of 6 rules (2 tested, 2 used by tested rules)",
    ]


def test_coverage_by_selectors_with_alternatives(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    expr = '{__name__="base" or __name__="nobody"}'
    tests = f"rule_files: [rules.yml]\ntests: [{{promql_expr_test: [{{expr: '{expr}'}}]}}]\n"
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "tests.yml").write_text(tests)
    run(["test", "rules", "--coverage", str(tmp_path / "tests.yml")])

    last = capfd.readouterr().out.splitlines()[-1]
    assert last == "coverage: 16.7% of 6 rules (1 tested, 0 used by tested rules)"


def test_junit(folder: Path) -> None:
    (folder / "broken.yml").write_text("tests: 5\n")
    run(
        [
            "test",
            "rules",
            "--junit",
            str(folder / "out.xml"),
            str(folder / "tests.yml"),
            str(folder / "broken.yml"),
        ]
    )

    root = ElementTree.parse(folder / "out.xml").getroot()
    counts = [(s.get("tests"), s.get("failures"), s.get("errors")) for s in root]
    assert counts == [("3", "1", "0"), ("1", "0", "1")]
    assert [case.get("name") for case in root[0]] == ["first", "second", "wrong"]
    failure = root[0][2].find("failure")
    assert failure is not None
    assert "got: {} 1E+00" in (failure.text or "")


def test_start_timestamp(tmp_path: Path) -> None:
    (tmp_path / "t.yml").write_text("""
tests:
  - start_timestamp: 2026-03-01T00:00:00Z
    input_series: [{series: x, values: "0+1x5"}]
    promql_expr_test:
      - {expr: x, eval_time: 2m, exp_samples: [{labels: x, value: 2}]}
      - {expr: day_of_month(), exp_samples: [{labels: "", value: 1}]}
      - {expr: year(), exp_samples: [{labels: "", value: 2026}]}
""")

    assert run(["test", "rules", str(tmp_path / "t.yml")]) == 0


@pytest.mark.parametrize("start", ["now", "now/d", "-1h", "1h ago", "2026-03-01"])
def test_a_start_is_absolute_as_in_promtool(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], start: str
) -> None:
    (tmp_path / "t.yml").write_text(f"tests:\n  - start_timestamp: {start}\n")

    assert run(["test", "rules", str(tmp_path / "t.yml")]) == 1
    assert "is no date with a time, or Unix seconds" in capfd.readouterr().err


def test_fuzzy_compare(tmp_path: Path) -> None:
    sample = '{labels: "", value: 0.3}'
    text = f'tests: [{{promql_expr_test: [{{expr: "0.1 + 0.2", exp_samples: [{sample}]}}]}}]'
    (tmp_path / "exact.yml").write_text(text)
    (tmp_path / "fuzzy.yml").write_text(f"fuzzy_compare: true\n{text}")

    assert run(["test", "rules", str(tmp_path / "exact.yml")]) == 1
    assert run(["test", "rules", str(tmp_path / "fuzzy.yml")]) == 0


def test_unknown_fields_can_be_let_be(tmp_path: Path) -> None:
    (tmp_path / "t.yml").write_text("owner: me\ntests: [{note: x}]\n")

    assert run(["test", "rules", str(tmp_path / "t.yml")]) == 1
    assert run(["test", "rules", "--ignore-unknown-fields", str(tmp_path / "t.yml")]) == 0


def test_no_file_is_a_wrong_command_line() -> None:
    assert run(["test", "rules"]) == 2


def test_a_file_that_is_not_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["test", "rules", str(tmp_path / "nowhere.yml")]) == 1
    assert "nowhere.yml: No such file" in capfd.readouterr().err
