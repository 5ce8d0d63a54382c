"""The command `novaql` of scripts: a fork, which ends with the tests at the latest."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.servers.forking_command import forking_command

pytestmark = pytest.mark.slow

LONGEST_S = 120


def test_it_is_the_program(tmp_path: Path) -> None:
    command = tmp_path / "novaql"
    with forking_command(command):
        said = subprocess.run(
            [command, "query", "1 + 1"], capture_output=True, text=True, timeout=LONGEST_S
        )
        assert (said.returncode, said.stderr) == (0, "")
        assert "2" in said.stdout
        wrong = subprocess.run([command, "query"], capture_output=True, timeout=LONGEST_S)
        assert wrong.returncode == 2


def test_a_server_that_a_failed_script_left_is_killed(tmp_path: Path) -> None:
    """The end of the tests waited forever for it."""
    command = tmp_path / "novaql"
    serve = f"serve --data {tmp_path / 'data'} --no-auth --listen 127.0.0.1:0"
    script = f"{command} {serve} > said & until grep -q http said; do sleep 0.1; done; exit 3"
    with forking_command(command):
        ended = subprocess.run(["bash", "-c", script], cwd=tmp_path, timeout=LONGEST_S)
        assert ended.returncode == 3
        found = re.search(r"http://\S+", (tmp_path / "said").read_text())
        assert found
        assert httpx.get(f"{found[0]}/healthz", timeout=LONGEST_S).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{found[0]}/healthz", timeout=LONGEST_S)
