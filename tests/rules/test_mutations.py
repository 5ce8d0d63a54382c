"""Damaged files of the corpus: promtool finds them good or bad as we do."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest

from novaql.cli.main import run
from tests.support.programs.prometheus_programs import promtool_findings

CORPUS = Path(__file__).parent / "corpus"
WORDS = [
    *("''", "5", "5m", "[]", "{}", "true", "1.5", "- a", "a: b", "!!str 5", "&x y", "*x", "up"),
    *("<<: {a: b}", "? a", "|", "> x", '"\\x41"', "'", "yes", ".inf", "0x10", "2024-01-01", "---"),
    *("{{ $value }}", "sum(", "labels", "expr", "0o7", "1_000", "!foo x", "{a: {b: c}}", "\t", "#"),
    *("1m", "0+1x5", "x{a='b'}", "1 2 3", "stale", "_x5", "NaN", "{{schema:0}}", "localhost:90"),
]


def damaged(text: str, dice: random.Random) -> str:
    """The text with one or two of its lines changed. Null values are left out.

    The promtool of Debian lets a null rule, and a null name of a recording rule, pass.
    """
    lines = text.split("\n")
    for _ in range(dice.randint(1, 2)):
        at = dice.randrange(len(lines))
        line = lines[at]
        words = re.findall(r"\S+", line) or [" "]
        changes = [
            [],
            [line, dice.choice(lines)],
            [f"{line.partition(':')[0]}: {dice.choice(WORDS)}"],
            [" " * dice.randint(1, 3) + line],
            [line.replace(dice.choice(words), dice.choice(WORDS), 1)],
        ]
        lines[at : at + 1] = dice.choice(changes)
        lines = lines or [""]
    return "\n".join(lines)


def has_null_item(text: str) -> bool:
    return re.search(r"^\s*-\s*(#.*)?$", text, re.M) is not None


EXTENSION = "comparisons between scalars must use BOOL modifier"
"""promtool refuses `5 > 1`, which NovaQL takes."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "command", "options"),
    [
        ("rules", ["check", "rules"], ["--names", "legacy"]),
        ("tests", ["test", "rules"], []),
        ("config", ["check", "config"], ["--names", "legacy"]),
    ],
)
def test_verdicts_agree(
    kind: str,
    command: list[str],
    options: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(CORPUS, tmp_path / "corpus")
    files = sorted((CORPUS / kind).glob("*/*.yml"))
    dice = random.Random(5)
    targets = []
    for number in range(200):
        text = damaged(dice.choice(files).read_text(), dice)
        if not has_null_item(text):
            targets.append(tmp_path / "corpus" / kind / "good" / f"damaged-{number}.yml")
            targets[-1].write_text(text)
    different = {}
    verdicts = set()
    for target, (theirs, reason) in promtool_findings(command, targets).items():
        ours = run([*command, *options, str(target)])
        said = capfd.readouterr().err
        verdicts.add(ours)
        if ours != theirs and EXTENSION not in reason:
            different[target.read_text()] = (said, reason)

    assert different == {}
    assert verdicts == {0, 1}
