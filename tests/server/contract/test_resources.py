"""Every pool, thread and cache of the server is listed in docs/design/resources.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.repository.files import ROOT

PAGE = ROOT / "docs" / "design" / "resources.md"
SERVER = ROOT / "server"
LIBRARY = "\n## Threads of the library\n"
"""What follows on the page is checked by tests/architecture/test_resources.py."""
_CREATES = re.compile(
    r"(?:[A-Za-z]*(?:Pool|PoolExecutor|Threads|Workers|Writers|Cache)|Thread|Timer|OrderedDict"
    r"|lru_cache|cache|local|create_engine)"
)


def created(text: str) -> set[str]:
    """Names of what a module creates when it runs: calls of classes of pools, threads, caches."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        called = node.func if isinstance(node, ast.Call) else None
        names = [called] if called is not None else []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names += node.decorator_list
        for name in names:
            shown = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
            if _CREATES.fullmatch(shown):
                found.add(shown)
    return found


def listed() -> set[str]:
    return {
        name
        for line in PAGE.read_text("utf-8").split(LIBRARY)[0].splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([\w/]+\.py)`", line.split("|")[1])
    }


def test_every_file_that_creates_one_is_listed() -> None:
    creating = {
        path.relative_to(SERVER).as_posix(): what
        for path in sorted(SERVER.rglob("*.py"))
        if (what := created(path.read_text("utf-8")))
    }
    assert not {name: what for name, what in creating.items() if name not in listed()}


def test_every_listed_file_is_there() -> None:
    assert not [name for name in listed() if not Path(SERVER / name).is_file()]


def test_the_look_finds_what_it_is_for() -> None:
    text = "x = ThreadPoolExecutor(2)\n@lru_cache(maxsize=1)\ndef f(): ...\ny = ResultCache(5)\n"
    text += "@functools.cache\ndef g(): ...\nz = threading.Timer(1, f)\n"
    assert created(text) == {"ThreadPoolExecutor", "lru_cache", "ResultCache", "cache", "Timer"}
    assert created("PoolExecutor\nCached()\n") == set()
