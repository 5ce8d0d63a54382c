"""No modules import each other in a cycle: imports of functions and of type checkers count.

A module that `lazy_module` loads is also imported for type checkers (`test_imports.py`).
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT, python_files


def imported(text: str, modules: set[str]) -> set[str]:
    """The modules of this set that a module imports, anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            found |= names or {node.module}
    return found & modules


def name_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    parts = parts if parts[0] == "novaql" else ("novaql", *parts)
    return ".".join(parts).removesuffix(".__init__")


def test_no_cycle() -> None:
    files = {
        name_of(path): path
        for path in python_files()
        if path.parts[0] in ("grammar", "novaql", "server", "tsdb")
    }
    modules = {*files}
    graph = {
        name: imported((ROOT / path).read_text("utf-8"), modules) - {name}
        for name, path in files.items()
    }

    assert {"novaql.engine", "novaql.tsdb.database", "novaql.server.app"} <= modules
    assert "novaql.tsdb.store.state" in graph["novaql.tsdb.database"]
    TopologicalSorter(graph).prepare()  # raises `CycleError`, which names one


@pytest.mark.parametrize(
    "text",
    [
        "from novaql.b import g",
        "def f():\n    from novaql.b import g\n",
        "if TYPE_CHECKING:\n    from novaql import b\nelse:\n    b = lazy_module('novaql.b')\n",
    ],
)
def test_a_cycle_is_found(text: str) -> None:
    modules = {"novaql.a", "novaql.b"}
    graph = {"novaql.a": imported(text, modules), "novaql.b": imported("import novaql.a", modules)}

    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()
