"""When the functions of a registry are compiled and used, also in processes that are forked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from novaql import api

pytestmark = pytest.mark.slow

pytest.importorskip("numba", reason="compiled functions need numba: pip install 'novaql[fast]'")

SOURCES = """
from numba import types
from novaql.tsdb.runtime.compiled import inner, kernel

@inner
def twice(n):
    return 2 * n

@kernel(types.int64)
def double(n):
    return twice(n)

@kernel(types.int64, types.int64)
def ratio(n, m):
    return n / m
"""
PROGRAM = """
import os, signal, sys, threading
from novaql.tsdb.runtime import compiled
from novaql.tsdb.runtime.compiled import Mode, Registry

functions = Registry("test", package="sample", modules=("sample",), worth=100)

def exit_code_of_child(work):
    if os.fork() == 0:
        signal.alarm(60)  # ends a child that waits for ever
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.wait()[1])

class Compiling:
    '''A thread that is in the middle of `prepare`, with its locks.'''

    def __init__(self, registry):
        started, self.finish = threading.Event(), threading.Event()
        def goes_on():
            started.set()
            self.finish.wait()
            return False
        self.thread = threading.Thread(target=lambda: registry.prepare(goes_on=goes_on))
        self.thread.start()
        started.wait()

    def end(self):
        self.finish.set()
        self.thread.join()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module, and numba's cache of it."""
    made = tmp_path_factory.mktemp("sample", numbered=False)
    (made / "sample.py").write_text(SOURCES)
    return made


def run(code: str, folder: Path, mode: str = "auto") -> list[str]:
    paths = {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + code],
        env={**os.environ, **paths, "NOVAQL_COMPILED": mode},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_enough_work_compiles_in_the_background(folder: Path) -> None:
    code = """
print(functions.ready(99), "numba" in sys.modules)
functions.ready(1)
print([thread.name for thread in threading.enumerate()][1:])
compiled.wait_for_background()
print(functions.ready().double(4), functions.call.ratio(1, 0), compiled._compiler.thread)
"""
    assert run(code, folder) == ["None", "False", "['novaql-compile']", "8", "inf", "None"]


def test_on_compiles_at_the_first_use_and_off_never(folder: Path) -> None:
    assert run("print(functions.ready().double(4))", folder, "on") == ["8"]
    code = """
functions.prepare_in_background()
print(functions.ready(1 << 40), functions.prepare(), "numba" in sys.modules)
"""
    assert run(code, folder, "off") == ["None", "{}", "False"]


def test_prepare_names_what_it_compiled_and_does_it_once(folder: Path) -> None:
    code = "print(*functions.prepare())\nprint(functions.prepare())"
    assert run(code, folder) == ["test.double", "test.ratio", "{}"]


def test_the_intermediate_code_of_loaded_kernels_is_freed(folder: Path) -> None:
    code = """
import gc
from llvmlite.binding import ModuleRef
functions.prepare()
gc.collect()
modules = [str(one) for one in gc.get_objects() if isinstance(one, ModuleRef)]
print(sum("ratio" in one and "define " in one for one in modules), functions.call.ratio(1, 0))
"""
    run("functions.prepare()", folder)  # fills the cache
    assert run(code, folder) == ["0", "inf"]


def test_a_forked_process_uses_and_compiles_what_it_needs(folder: Path) -> None:
    """If no thread was compiling when it was forked."""
    code = """
print(exit_code_of_child(lambda: functions.prepare() and functions.ready().double(2) == 4))
functions.prepare()
print(exit_code_of_child(lambda: functions.ready().double(2) == 4))
"""
    assert run(code, folder) == ["0", "0"]


def test_what_waits_for_the_thread_is_compiled_by_the_child(folder: Path) -> None:
    """The child lacks the thread, whose queue has a registry that is not being compiled."""
    code = """
def compiles():
    functions.ready(100)
    compiled.wait_for_background()
    return functions.ready().double(2) == 4

run = compiled._Compiler._run
compiled._Compiler._run = lambda self: None  # a thread that has not begun
functions.prepare_in_background()
compiled._Compiler._run = run
print(exit_code_of_child(compiles))
"""
    assert run(code, folder) == ["0"]


FILLS_THE_CACHE = """
child = [sys.executable, "-c", (
    "from novaql.tsdb.runtime.compiled import Registry; print('to nowhere'); "
    "Registry('test', package='sample', modules=('sample',), worth=1).prepare(); "
    "open('ran', 'a').write('x')"
)]
functions.prepare_in_background(child=child)
compiled.wait_for_background()
double = functions.ready().double
print(double(4), len(double.stats.cache_hits), len(double.stats.cache_misses))
print(os.path.exists("ran") and open("ran").read())
"""


def test_a_child_compiles_what_the_cache_lacks(tmp_path: Path) -> None:
    """The process itself loads it. With a full cache no child is started."""
    (tmp_path / "sample.py").write_text(SOURCES)
    code = f"os.chdir({str(tmp_path)!r})" + FILLS_THE_CACHE

    assert run(code, tmp_path) == ["8", "1", "0", "x"]
    assert run(code, tmp_path) == ["8", "1", "0", "x"]
    (tmp_path / "sample.py").write_text(SOURCES.replace("2 * n", "3 * n"))
    assert run(code, tmp_path) == ["12", "1", "0", "xx"]


@pytest.mark.parametrize("child", [["false"], ["novaql-is-not-here"]])
def test_without_the_child_the_process_compiles(child: list[str], tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text(SOURCES)
    code = f"""
import logging
logging.basicConfig(stream=sys.stdout, format="%(levelname)s")
functions.prepare_in_background(child={child!r})
compiled.wait_for_background()
print(functions.ready().double(4), len(functions.ready().double.stats.cache_misses))
"""
    assert run(code, tmp_path) == ["WARNING", "8", "1"]


def test_a_program_that_ends_ends_the_child(tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text(SOURCES)
    code = """
functions.prepare_in_background(child=["sleep", "1000"])
"""
    assert run(code, tmp_path) == []


@pytest.mark.parametrize("registry", api._registries(), ids=lambda registry: registry.name)
def test_a_process_forked_while_a_thread_compiles_does_not_wait(registry: object) -> None:
    """For a lock that no thread of it releases."""
    name = registry.name  # type: ignore[attr-defined]
    code = f"""
from novaql import api, warmup
registry = {{one.name: one for one in api._registries()}}[{name!r}]
compiling = Compiling(registry)
print(exit_code_of_child(lambda: (registry.prepare(), registry.ready(1 << 60)) == ({{}}, None)))
print(exit_code_of_child(lambda: warmup() == {{}}))
compiling.end()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + code],
        env={**os.environ, "NOVAQL_COMPILED": "auto"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.stdout.split(), done.stderr) == (["0", "0"], "")
