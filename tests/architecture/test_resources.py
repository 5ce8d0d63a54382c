"""Every thread, pool and cache of the library is listed in docs/design/resources.md."""

from __future__ import annotations

import ast
import functools
import re

from tests.support.repository.files import ROOT, python_files

PAGE = ROOT / "docs" / "design" / "resources.md"
CREATES = re.compile(
    r"(?:[A-Za-z]*(?:Pool|PoolExecutor|Threads|Cache)|Thread|PeriodicTask|OrderedDict|lru_cache"
    r"|cache|cache_of_short|local|Process|Timer|WeakKeyDictionary|WeakValueDictionary|WeakSet|Semaphore|BoundedSemaphore"
    r"|mmap)"
)

HELD_OTHERWISE = {
    "novaql/evaluator/context.py",
    "novaql/inputs/compiled/text_table.py",
    "novaql/inputs/otlp/decoder.py",
    "novaql/inputs/otlp/known_points.py",
    "novaql/inputs/remote_write/keyed_series.py",
    "novaql/inputs/remote_write/plain_decoder.py",
    "novaql/inputs/text/influx.py",
    "novaql/result/append_only_matrix.py",
    "tsdb/model/series_batch.py",
    "tsdb/parts/merge_series.py",
    "tsdb/read/series_cache.py",
}
"""Listed files that have a cache in a dictionary or field, or that fill one of another file."""


def created(text: str) -> set[str]:
    """What a module creates when it runs: by calls, and by decorators of functions."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        called = node.func if isinstance(node, ast.Call) else None
        names: list[ast.expr] = [called] if called is not None else []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names += node.decorator_list
        for name in names:
            plain = name.value if isinstance(name, ast.Subscript) else name
            shown = plain.attr if isinstance(plain, ast.Attribute) else getattr(plain, "id", "")
            if CREATES.fullmatch(shown):
                found.add(shown)
    return found


def listed() -> set[str]:
    page = PAGE.read_text("utf-8")
    assert "\n## Threads of the library\n" in page
    return {
        name
        for line in page.split("\n## Threads of the library\n")[1].splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([\w/]+\.py)`", line.split("|")[1])
    }


@functools.cache
def creating() -> set[str]:
    return {
        path.as_posix()
        for path in python_files()
        if path.parts[0] in ("novaql", "tsdb") and created((ROOT / path).read_text("utf-8"))
    }


def test_every_file_that_creates_one_is_listed() -> None:
    assert creating() - listed() == set()


def test_every_listed_file_creates_one() -> None:
    assert listed() - creating() == HELD_OTHERWISE


def test_calls_and_decorators_are_found() -> None:
    text = (
        "from functools import cache\n@cache\ndef f(): ...\n@functools.lru_cache(maxsize=1)\n"
        "def g(): ...\na = ByteCache[int](5)\nb = threading.local()\nc = PeriodicTask(b, '', 1.0)\n"
    )
    assert created(text) == {"cache", "lru_cache", "ByteCache", "local", "PeriodicTask"}
    assert created("Cached()\nx: PageCache\n") == set()
