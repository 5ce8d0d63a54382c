"""Pages of libraries leave the memory of a server, and its kernels work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from novaql.server.process.library_pages import unchanged
from tests.support.repository.files import ROOT
from tests.support.servers.forked import environment

SMAPS = """\
7f00-7f10 r--p 00000000 fe:00 1                    /a/libllvmlite.so
Rss:                  64 kB
Anonymous:             0 kB
7f10-7f30 r-xp 00000000 fe:00 1                    /a/libllvmlite.so
Rss:                  64 kB
Anonymous:             0 kB
7f30-7f40 r--p 00000000 fe:00 1                    /a/libllvmlite.so
Anonymous:            16 kB
7f40-7f50 rw-p 00000000 fe:00 1                    /a/libllvmlite.so
Anonymous:             0 kB
7f50-7f60 r-xp 00000000 fe:00 2                    /a/libc.so.6
Anonymous:             0 kB
7f54-7f58 r--p 00000000 fe:00 3                    /a/data.db
Anonymous:             0 kB
7f60-7f70 r-xp 00000000 00:00 0
Anonymous:             0 kB
"""
PROGRAM = """
from numba import njit
from novaql.server.process import library_pages

def resident():
    name, total = "", 0
    for line in open("/proc/self/smaps"):
        if line[:1] in "0123456789abcdef":
            name = line.rpartition("/")[2].strip()
        elif line.startswith("Rss:") and name == "libllvmlite.so":
            total += int(line.split()[1])
    return total

def compiled():
    return njit("int64(int64)")(lambda number: number + 1)

add = compiled()
before = resident()
library_pages.release_libraries()
print(before, resident(), add(1), compiled()(2))
"""


def test_mappings_that_equal_the_file_are_found() -> None:
    found = list(unchanged(SMAPS.splitlines(keepends=True)))
    assert found == [(0x7F00, 0x7F10), (0x7F10, 0x7F30), (0x7F50, 0x7F60)]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_released_compiler_compiles() -> None:
    pytest.importorskip("numba", reason="pip install 'novaql[fast]' brings numba")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    before, after, two, three = map(int, done.stdout.split())
    assert before > 20_000  # KiB
    assert after < before // 4
    assert (two, three) == (2, 3)
