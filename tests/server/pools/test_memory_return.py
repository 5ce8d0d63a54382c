"""Memory that was freed goes back to the system, some time after enough of it was."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from novaql.server.jobs.housekeeping import housekeeper
from novaql.server.pools.memory_return import FREED_BYTES, MemoryReturn
from novaql.server.pools.query_memory import QueryMemory
from novaql.tsdb.runtime.buffer_pool import BUFFERS
from tests.support.servers.http_server import local_server

HANG_S = 30.0
HELD = """
import sys, threading
import psutil
from novaql.tsdb import return_freed_memory

def work():
    texts = [b"x" * 20_000 for _ in range(20_000)]
    last.append(bytes(20_000))

last = []
thread = threading.Thread(target=work)
thread.start()
thread.join()
held = psutil.Process().memory_info().rss
return_freed_memory()
print(held >> 20, psutil.Process().memory_info().rss >> 20)
"""


@pytest.mark.slow
def test_it_is_called_once_for_what_is_freed_together() -> None:
    called = threading.Semaphore(0)
    back = MemoryReturn(called.release)
    back.note(FREED_BYTES - 1)
    for _ in range(9):
        back.note(FREED_BYTES)
    assert called.acquire(timeout=HANG_S)
    assert not called.acquire(timeout=0.5)
    back.note(FREED_BYTES - 1)
    assert not called.acquire(timeout=0.5)
    back.note(1)
    assert called.acquire(timeout=HANG_S)


def test_queries_note_what_they_release(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []
    monkeypatch.setattr(MemoryReturn, "note", lambda _, size: noted.append(size))
    memory = QueryMemory(1 << 30)
    memory.reserve("a", 100 << 20)
    memory.release("a", 100 << 20)
    assert noted == [100 << 20]


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc, whose malloc it is for")
def test_what_a_thread_freed_goes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELD], capture_output=True, text=True, check=True, timeout=120
    )
    held, left = map(int, done.stdout.split())
    assert held > 300
    assert left < 150


def test_housekeeping_gives_back_buffers_that_no_query_uses() -> None:
    with local_server() as server:
        buffer = BUFFERS.floats(1 << 20)
        del buffer
        BUFFERS.release_unused()
        assert BUFFERS.retained_bytes >= 8 << 20
        housekeeper(server.context)()
        assert BUFFERS.retained_bytes == 0


ARENAS = """
import ctypes, sys, threading
from novaql.server.pools.memory_return import configure_allocator

if sys.argv[2] == "shared":
    configure_allocator()
begun = threading.Barrier(9)

def work():
    held = [bytes(20_000) for _ in range(10)]
    begun.wait(60)

for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = ctypes.c_int, ctypes.c_void_p
libc.fclose.argtypes = (ctypes.c_void_p,)
begun.wait(60)
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc, whose malloc it is for")
def test_threads_configure_allocator(tmp_path: Path) -> None:
    arenas = {}
    for mode in ("own", "shared"):
        report = tmp_path / mode
        command = [sys.executable, "-c", ARENAS, str(report), mode]
        subprocess.run(command, check=True, timeout=120)
        arenas[mode] = report.read_text().count("<heap nr=")
    assert arenas["own"] > 2 >= arenas["shared"]


LARGE = """
import sys
from pathlib import Path

import numpy as np
from novaql.server.pools.memory_return import configure_allocator

def resident():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024

if sys.argv[1] == "configured":
    configure_allocator()
for _ in range(2):  # what is freed raises glibc's limit
    freed = np.ones(2 << 20)
    del freed
before = resident()
columns, others = [], []
for _ in range(16):
    columns.append(np.ones(1 << 20))
    others.append(bytes(100_000))
del columns
print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc, whose malloc it is for")
def test_memory_of_large_arrays_returns_although_small_ones_are_between() -> None:
    left = {}
    for mode in ("default", "configured"):
        command = [sys.executable, "-c", LARGE, mode]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        left[mode] = int(done.stdout)
    assert left["default"] > 100 > 20 > left["configured"]
