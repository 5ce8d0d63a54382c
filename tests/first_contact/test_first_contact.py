"""What people do in their first hour: a file a task, with the package and its command alone.

`python` and `shell` are tasks without a server. Those of `clients` share one: `NOVA_URL` is its
address, and `NOVA_TOKEN` a token. A task says which program it needs beyond Python's packages:
`# Needs: promtool`.

Without further settings, the tasks run in this process. In scripts of a shell, `novaql` is a fork
of one process; a copy of this folder alone, as for a wheel, starts a Python for each command.
`NOVAQL_FIRST_CONTACT_PYTHON` is another interpreter, such as that of an empty environment in which
a wheel is installed.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PYTHON = os.environ.get("NOVAQL_FIRST_CONTACT_PYTHON")
COMMANDS = Path(PYTHON or sys.executable).parent
NEEDS = re.compile(r"^# Needs: (.*)$", re.MULTILINE)
LONGEST_S = 600


def tasks(*patterns: str) -> pytest.MarkDecorator:
    found = sorted(path for pattern in patterns for path in HERE.glob(pattern))
    return pytest.mark.parametrize("task", found, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the command `novaql` of scripts."""
    if PYTHON is not None or not (HERE.parent / "support").is_dir():
        yield COMMANDS
        return
    from tests.support.servers.forking_command import forking_command  # noqa: PLC0415 - see above

    folder = tmp_path_factory.mktemp("commands")
    with forking_command(folder / "novaql"):
        yield folder


def run(*command: str | Path, folder: Path, commands: Path = COMMANDS, **variables: str) -> str:
    """Return what a program prints. It has no settings of this process."""
    path = os.pathsep.join(map(str, (commands, COMMANDS, os.environ["PATH"])))
    environment = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", **variables}
    # Where nothing is compiled yet, it would be compiled for minutes.
    environment |= {name: os.environ[name] for name in ("NOVAQL_COMPILED",) if name in os.environ}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def skip_without_its_programs(task: Path) -> None:
    for program in NEEDS.findall(task.read_text(encoding="utf-8")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


def run_task(task: Path, folder: Path, commands: Path = COMMANDS, **variables: str) -> None:
    skip_without_its_programs(task)
    shell = ("bash", "-euo", "pipefail")
    interpreter = shell if task.suffix == ".sh" else (COMMANDS / "python",)
    run(*interpreter, task, folder=folder, commands=commands, **variables)


@tasks("python/*.py")
def test_python(task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if PYTHON is None:
        skip_without_its_programs(task)
        runpy.run_path(str(task), run_name="__main__")
    else:
        run_task(task, tmp_path)


@tasks("shell/*.sh")
def test_shell(task: Path, tmp_path: Path, commands: Path) -> None:
    run_task(task, tmp_path, commands)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server as people start one: its address, and its first token."""
    folder = tmp_path_factory.mktemp("server")
    serve = (COMMANDS / "novaql", "serve", "--data", "metrics")
    try:
        said = run(*serve, "--listen", "127.0.0.1:0", "--daemon", folder=folder)
        address, token = (re.search(p, said) for p in (r"http://\S+", r"nova_admin_\S+"))
        assert address, said
        assert token, said
        yield {"NOVA_URL": address[0], "NOVA_TOKEN": token[0]}
    finally:
        run(*serve, "--stop", folder=folder)


@pytest.mark.slow
@tasks("clients/*.py", "clients/*.sh")
def test_client(task: Path, server: dict[str, str], tmp_path: Path, commands: Path) -> None:
    run_task(task, tmp_path, commands, **server)
