"""`novaql demo` as a process: it says where it is, has data, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from novaql.cli.main import run


@pytest.mark.slow
def test_the_demo_serves_a_fleet_and_goes_without_a_trace() -> None:
    command = [sys.executable, "-m", "novaql", "demo", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "Ctrl-C stops" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            found = re.search(r"Open +(http\S+?)/#token=(\S+)\n", said)
            folder = re.search(r"Data +(\S+)", said)
            assert found is not None
            assert folder is not None
            request = urllib.request.Request(
                f"{found[1]}/prometheus/api/v1/query?query=count(up)",
                headers={"Authorization": f"Bearer {found[2]}"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                result = json.load(answer)["data"]["result"]
            assert int(result[0]["value"][1]) > 5
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
    assert not Path(folder[1]).exists()


def test_a_wrong_address_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--listen", "nowhere"]) == 2
    assert "'nowhere' is not HOST:PORT" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--record", "here"], "--record needs --story"),
        (["--story", "--no-auth"], "--story has data and tokens of its own"),
        (["--story", "--data", "here"], "--story has data and tokens of its own"),
    ],
)
def test_options_of_the_story(
    arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", *arguments]) == 2
    assert message in capfd.readouterr().err
