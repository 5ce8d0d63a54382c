"""`novaql fmt` over rule files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from novaql.cli.main import run
from novaql.language import parse
from novaql.rules.formatting import format_rules
from novaql.rules.problems import FileProblems
from novaql.rules.reading import read_rules

GOOD = sorted((Path(__file__).parent / "corpus" / "rules" / "good").glob("*.yml"))
BEFORE = """\
# head
groups:
  - name: a  # of a
    rules:
      - record: x
        expr: sum( rate( up[5m] ) )by(job)   # why

      - record: y
        expr: |
          sum by (job) (
             rate(up[5m])
          )

        labels: {a: b}
      - {record: z, expr: 'up{a="b",c=~"d"}  ==0'}
      - alert: A
        expr: |
          # kept, with its comment
          sum(up)
           > 1
      - record: q
        expr: 'up{a="x: #y"}>1'
      - record: r
        expr:   1 >bool 2
# end
"""
AFTER = """\
# head
groups:
  - name: a  # of a
    rules:
      - record: x
        expr: sum by (job) (rate(up[5m]))   # why

      - record: y
        expr: sum by (job) (rate(up[5m]))

        labels: {a: b}
      - {record: z, expr: 'up{a="b",c=~"d"} == 0'}
      - alert: A
        expr: |
          # kept, with its comment
          sum(up)
           > 1
      - record: q
        expr: 'up{a="x: #y"} > 1'
      - record: r
        expr:   1 > bool 2
# end
"""
RATIO = " / ".join(
    f'sum by (job, instance, cluster) (rate({name}{{job="api"}}[5m]))'
    for name in ("requests_total", "tries_total")
)
LONG = f"""\
groups:
  - name: a
    rules:
      - record: long
        expr: {RATIO}
        labels: {{a: b}}
"""


def test_expressions_change_and_nothing_else() -> None:
    assert format_rules(BEFORE, "f.yml") == AFTER


@pytest.mark.parametrize("text", [BEFORE, LONG], ids=["short", "long"])
def test_meaning_stays_and_once_is_enough(text: str) -> None:
    once = format_rules(text, "f.yml")

    assert format_rules(once, "f.yml") == once
    assert parsed(once) == parsed(text)


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_corpus(path: Path) -> None:
    text = path.read_text()
    once = format_rules(text, path.name)

    assert format_rules(once, path.name) == once
    assert parsed(once) == parsed(text)
    assert without_expressions(once) == without_expressions(text)


def parsed(text: str) -> list[object]:
    groups = read_rules(text, "f.yml").groups
    return [(rule.name, rule.labels, parse(rule.expr)) for g in groups for rule in g.rules]


def without_expressions(text: str) -> object:
    document = next(iter(yaml.compose_all(text)), None)

    def plain(node: yaml.Node | None) -> object:
        if isinstance(node, yaml.MappingNode):
            pairs = [(plain(k), k.value == "expr" or plain(v)) for k, v in node.value]
            return ("map", pairs)
        if isinstance(node, yaml.SequenceNode):
            return [plain(item) for item in node.value]
        return None if node is None else node.value

    return plain(document)


def test_long_lines_are_broken() -> None:
    lines = format_rules(LONG, "f.yml").splitlines()

    assert lines[4] == "        expr: |-"
    assert max(map(len, lines)) <= 100


def test_shell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(BEFORE)

    assert run(["fmt", str(file)]) == 0
    assert capfd.readouterr().out == AFTER
    assert run(["fmt", "--check", str(file)]) == 1
    assert capfd.readouterr().out == f"{file}\n"
    assert run(["fmt", "--write", str(file)]) == 0
    assert file.read_text() == AFTER
    assert run(["fmt", "--check", str(file)]) == 0


def test_what_is_wrong_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text("groups: [{name: g, rules: [{record: x, expr: 'sum('}]}]")

    with pytest.raises(FileProblems):
        format_rules(file.read_text(), "rules.yml")
    assert run(["fmt", "--write", str(file)]) == 1
    assert "sum('" in file.read_text()


def test_command_lines_that_make_no_sense(tmp_path: Path) -> None:
    assert run(["fmt", "up", str(tmp_path / "rules.yml")]) == 2
    assert run(["fmt", "sum", "by"]) == 2
    assert run(["fmt", "--write", "up"]) == 2
