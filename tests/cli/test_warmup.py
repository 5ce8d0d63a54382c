"""`novaql warmup`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from novaql.cli import warmup
from novaql.cli.main import cli


def test_it_names_what_it_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "available", lambda: True)
    took = {"kernels.strip_sums": 0.5, "pages.unfold": 1.0}
    monkeypatch.setattr(warmup, "warmup", lambda: took)

    done = CliRunner().invoke(cli, ["warmup"])

    assert done.exit_code == 0
    assert done.output == (
        "kernels.strip_sums 0.50 s\npages.unfold 1.00 s\n2 kernels are ready, 1.5 s\n"
    )


def test_without_numba_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "available", lambda: False)

    done = CliRunner().invoke(cli, ["warmup"])

    assert done.exit_code == 1
    assert "pip install 'novaql[fast]'" in done.output


def test_numba_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses() -> dict[str, float]:
        raise ImportError("Numba needs an older NumPy")

    monkeypatch.setattr(warmup, "available", lambda: True)
    monkeypatch.setattr(warmup, "warmup", refuses)

    done = CliRunner().invoke(cli, ["warmup"])

    assert done.exit_code == 1
    assert "Numba needs an older NumPy" in done.output
