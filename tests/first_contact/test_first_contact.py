"""What people do in their first hour: a file a task, with the package and its command alone.

Without further settings, the tasks run in this process. `NOVAQL_FIRST_CONTACT_PYTHON` is another
interpreter, such as that of an empty environment in which a wheel is installed.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PYTHON = os.environ.get("NOVAQL_FIRST_CONTACT_PYTHON")
COMMANDS = Path(PYTHON or sys.executable).parent


@pytest.mark.parametrize("task", sorted(HERE.glob("python/*.py")), ids=lambda path: path.stem)
def test_python(task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if PYTHON is None:
        runpy.run_path(str(task), run_name="__main__")
    else:
        subprocess.run([PYTHON, task], check=True, timeout=120)


@pytest.mark.parametrize("task", sorted(HERE.glob("shell/*.sh")), ids=lambda path: path.stem)
def test_shell(task: Path, tmp_path: Path) -> None:
    path = f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    # Where nothing is compiled yet, it would be compiled for minutes.
    environment |= {name: os.environ[name] for name in ("NOVAQL_COMPILED",) if name in os.environ}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", task],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
