"""`novaql promqltest`."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaql.cli.main import run

GOOD = """\
load 5m
  requests 0+10x10

eval instant at 50m requests
  requests 100
"""


def test_the_last_line_counts_and_the_code_tells(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.test").write_text(GOOD)
    (tmp_path / "bad.test").write_text(GOOD.replace("requests 100", "requests 99"))

    assert run(["promqltest", str(tmp_path / "good.test")]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"
    assert run(["promqltest", str(tmp_path / "good.test"), str(tmp_path / "bad.test")]) == 1
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 1 failed"


def test_no_file_is_a_wrong_command_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["promqltest"]) == 2
    assert "usage" in capfd.readouterr().err.lower()
