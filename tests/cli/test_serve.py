"""`novaql serve` as a process: it answers, it stops, it refuses what is unsafe."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.cli.main import run


@pytest.mark.slow
def test_it_answers_and_stops(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "novaql", "serve", "--data", str(tmp_path / "store")]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--no-auth", "--log-level", "warning"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            url = f"{address}/prometheus/api/v1/query?query=1%2B1"
            with urllib.request.urlopen(url, timeout=30) as answer:
                assert json.load(answer)["data"]["result"][1] == "2"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)


@pytest.mark.parametrize("option", ["--port", "--host"])
def test_the_names_of_settings_of_the_address_lead_to_listen(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", option, "9491"]) == 2
    assert "--listen HOST:PORT" in capsys.readouterr().err
    assert run(["serve", "--help"]) == 0
    assert option not in capsys.readouterr().out


@pytest.fixture
def same_logging() -> Iterator[None]:
    """Restores the root logger, which `serve` configures to write to the stderr of this test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("same_logging")
@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--listen", "nowhere"], "'nowhere' is not HOST:PORT"),
        (["--listen", "0.0.0.0:0", "--no-auth"], "without authentication"),
        (["--sync", "never"], "'never' is not one of"),
    ],
)
def test_what_cannot_be_served_is_told(
    options: list[str], text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--data", str(tmp_path / "store"), *options]) == 2
    assert text in capfd.readouterr().err
