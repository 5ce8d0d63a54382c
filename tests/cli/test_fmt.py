"""`novaql fmt`."""

from __future__ import annotations

import pytest

from novaql.cli.main import run


def test_fmt(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["fmt", "sum( up )by(job)"]) == 0
    assert capfd.readouterr().out == "sum by (job) (up)\n"
    assert run(["fmt", "--check", "sum by (job) (up)"]) == 0
    assert run(["fmt", "--check", "sum( up )by(job)"]) == 1
    assert run(["fmt", "sum("]) == 1
