"""The command that the demo tells people to type is one that their shell can start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from novaql.server.demo.demo import program


def test_by_name_where_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = tmp_path / "novaql"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == "novaql"


def test_by_path_in_a_virtual_environment_that_is_not_active(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / ".venv" / "bin" / "novaql"), "demo"])
    assert program() == ".venv/bin/novaql"
