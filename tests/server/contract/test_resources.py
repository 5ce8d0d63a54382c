"""Every pool, thread and cache is listed in docs/design/resources.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.repository.files import ROOT

PAGE = ROOT / "docs" / "design" / "resources.md"
SERVER = ROOT / "server"
_CREATES = re.compile(
    r"(?:[A-Za-z]*(?:Pool|PoolExecutor|Threads|Workers|Writers|Cache)|Thread|OrderedDict|lru_cache"
    r"|create_engine)"
)


def created(text: str) -> set[str]:
    """Names of what a module creates when it runs: calls of classes of pools, threads, caches."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        called = node.func if isinstance(node, ast.Call) and not _is_off(node) else None
        names = [called] if called is not None else []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names += node.decorator_list
        for name in names:
            name = name.value if isinstance(name, ast.Subscript) else name  # ByteCache[int](…)
            shown = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
            if _CREATES.fullmatch(shown):
                found.add(shown)
    return found


def _is_off(call: ast.Call) -> bool:
    """Whether a call creates a cache with the limit 0."""
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def place(name: str) -> Path:
    """The file that a path on the page names."""
    return (ROOT if name.startswith(("novaql/", "tsdb/")) else SERVER) / name


def library_files() -> list[Path]:
    links = (ROOT / "novaql" / "tsdb", ROOT / "novaql" / "server")
    found = [*(ROOT / "novaql").rglob("*.py"), *(ROOT / "tsdb").rglob("*.py")]
    return sorted(path for path in found if not any(map(path.is_relative_to, links)))


def listed() -> set[str]:
    return {
        name
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([\w/]+\.py)`", line.split("|")[1])
    }


def test_every_file_that_creates_one_is_listed() -> None:
    creating = {
        path: what
        for path in [*sorted(SERVER.rglob("*.py")), *library_files()]
        if (what := created(path.read_text("utf-8")))
    }
    known = {*map(place, listed()), ROOT / "tsdb/runtime/lru_cache.py"}
    assert not {path: what for path, what in creating.items() if path not in known}


def test_every_listed_file_is_there() -> None:
    assert not [name for name in listed() if not place(name).is_file()]


def test_the_look_finds_what_it_is_for() -> None:
    text = "x = ThreadPoolExecutor(2)\n@lru_cache(maxsize=1)\ndef f(): ...\ny = ResultCache(5)\n"
    assert created(text) == {"ThreadPoolExecutor", "lru_cache", "ResultCache"}
    assert created("x = ByteCache[int](5)\n") == {"ByteCache"}
    assert created("PoolExecutor\nCached()\nByteCache(0)\n") == set()
