"""The README's two commands: one line each, and the second is what the gate runs."""

from __future__ import annotations

import re

from tests.support.repository.files import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def shell_lines() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_first_command_is_one_line_that_ends_with_the_demo() -> None:
    first = shell_lines()[0]

    assert first.endswith("novaql demo")
    assert "-c constraints.txt" in first


def test_the_second_command_is_the_line_that_the_gate_runs() -> None:
    second = shell_lines()[1]
    gate = [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()]

    assert second.endswith("-m pytest -q -n auto --dist loadfile")
    assert second in gate


def test_the_gate_can_be_started() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
