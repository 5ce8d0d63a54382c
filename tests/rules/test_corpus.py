"""The corpus of rule files, rule tests and configurations: our verdict, and the real promtool's."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaql.cli.main import run
from tests.support.programs.prometheus_programs import promtool_findings

CORPUS = Path(__file__).parent / "corpus"
COMMANDS = {
    "rules": ["check", "rules"],
    "tests": ["test", "rules"],
    "config": ["check", "config"],
}
LEGACY = ["--names", "legacy"]
"""The promtool of Debian is of the time before UTF-8 names."""

CASES = sorted(CORPUS.glob("*/good/*.yml")) + sorted(CORPUS.glob("*/bad/*.yml"))


def verdict(path: Path) -> int:
    return 0 if path.parent.name == "good" else 1


def ours(path: Path) -> int:
    command = COMMANDS[path.parent.parent.name]
    return run([*command, *(LEGACY if command[0] == "check" else []), str(path)])


@pytest.mark.parametrize("path", CASES, ids=lambda p: str(p.relative_to(CORPUS)))
def test_verdict(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = ours(path)
    said = capfd.readouterr().err

    assert code == verdict(path), said
    if verdict(path):
        assert f"{path.name}:" in said or ".yml:" in said, "the place is missing"


@pytest.mark.slow
def test_promtool_agrees() -> None:
    different = {}
    for kind, command in COMMANDS.items():
        paths = [path for path in CASES if path.parent.parent.name == kind]
        for path, (code, said) in promtool_findings(command, paths).items():
            if code != verdict(path):
                different[str(path.relative_to(CORPUS))] = said

    assert different == {}


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 200


PLACES = {
    "rules/bad/bad_expr_in_block.yml": "8:18",
    "rules/bad/bad_expr.yml": "6:18",
    "rules/bad/bad_regex.yml": "5:36",
    "rules/bad/template_unknown_function.yml": "8:21",
    "rules/bad/repeated_field.yml": "5:5",
    "rules/bad/not_yaml.yml": "3:1",
}


@pytest.mark.parametrize("name", PLACES)
def test_place(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Expressions and templates are located inside of the YAML."""
    ours(CORPUS / name)

    assert f"{Path(name).name}:{PLACES[name]}: " in capfd.readouterr().err
