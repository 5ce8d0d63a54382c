"""The library where calls of Linux are missing: `as_windows` and `as_macos` hide them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

WINDOWS = """
import errno, fcntl, os, sys, types
# These look for modules of the system themselves.
import pandas, pyarrow, socket, subprocess, tempfile, uuid

flock = fcntl.flock
def locking(fd, mode, count):
    assert (mode, count, os.lseek(fd, 0, os.SEEK_CUR)) == (3, 1, 1 << 30)
    try:
        flock(fd, fcntl_flags)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None

fcntl_flags = fcntl.LOCK_EX | fcntl.LOCK_NB
sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=3)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in (
    "pread", "pwrite", "pwritev", "preadv", "fdatasync", "O_CLOEXEC", "O_DIRECTORY", "getuid",
    "sched_getaffinity", "fork", "register_at_fork", "uname", "sync_file_range",
):
    if hasattr(os, name):
        delattr(os, name)
"""
MACOS = """
import fcntl, os
synced = []
sync = os.fsync
fcntl.F_FULLFSYNC = 51
fcntl.fcntl = lambda fd, what: synced.append(what) or sync(fd)
for name in ("fdatasync", "sched_getaffinity", "sync_file_range"):
    if hasattr(os, name):
        delattr(os, name)
"""
STORE = """
import novaql
import pandas
from novaql import tsdb

def rows(*of):
    return pandas.DataFrame(of, columns=["__name__", "a", "time", "value"])

with novaql.open("store") as db:
    db.load(rows(("m", "1", 1, 1.0), ("m", "1", 2, 2.0)))
    try:
        novaql.open("store")
    except novaql.StorageUnavailable as problem:
        print("locked" if "is being written" in str(problem) else problem)
with novaql.open("store") as db:
    db.load(rows(("m", "2", 1, 8.0)))
with tsdb.open("store") as store:
    store.compact()
with novaql.open("store") as db:
    db.load(rows(("m", "2", 3, 16.0)))
    print(db.query("sum(m)", time=3).numpy().values.item())
with novaql.open("store", read_only=True) as db:
    print(db.query("sum(count_over_time(m[1h]))", time=3).numpy().values.item())
print(globals().get("synced", [51])[0])
"""


COMMANDS = """
import contextlib, io
from novaql.cli.main import COMMANDS, run

def said(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(words)
    return code, out.getvalue(), err.getvalue()

failed = {}
for name in COMMANDS:
    code, out, err = said(name, "--help")
    if code:
        assert (code, out) == (1, "")
        start, _, missing = err.strip().rpartition(" ")
        assert start == f"Error: novaql {name} needs Linux: this Python has no module", err
        assert missing in ("fcntl", "grp", "pwd", "resource", "termios")
        failed[name] = missing
print(*sorted(failed), flush=True)
assert run(["query", "vector(2)", "--time", "0", "--format", "csv"]) == 0
"""


def run(code: str, folder: Path, system: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(system) + textwrap.dedent(code)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
def test_commands_that_need_linux_say_so(tmp_path: Path) -> None:
    """`mcp` is among them here because its library imports fcntl wherever it is not Windows."""
    *commands, head, row = run(COMMANDS, tmp_path, WINDOWS)

    assert commands == ["admin", "demo", "mcp", "probe", "serve"]
    assert (head, row) == ("time,value", "1970-01-01T00:00:00Z,2")


@pytest.mark.slow
@pytest.mark.parametrize("system", [WINDOWS, MACOS], ids=["Windows", "macOS"])
def test_a_store_is_written_locked_and_read_again(system: str, tmp_path: Path) -> None:
    assert run(STORE, tmp_path, system) == ["locked", "18.0", "4.0", "51"]
