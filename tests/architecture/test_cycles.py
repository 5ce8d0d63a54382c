"""No modules import each other in a cycle, function-level imports included."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT, python_files


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children = node.orelse
    for child in children:
        yield child
        yield from run_time_nodes(child)


def imported(text: str, modules: set[str]) -> set[str]:
    """The modules of this set that a module imports when it runs."""
    found = set()
    for node in run_time_nodes(ast.parse(text)):
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
        if path.parts[0] in ("novaql", "server", "tsdb")
    }
    modules = {*files}
    graph = {
        name: imported((ROOT / path).read_text("utf-8"), modules) - {name}
        for name, path in files.items()
    }

    assert {"novaql.engine", "novaql.tsdb.database", "novaql.server.app"} <= modules
    assert "novaql.tsdb.store.state" in graph["novaql.tsdb.database"]
    TopologicalSorter(graph).prepare()  # raises `CycleError`, which names one


def test_a_cycle_is_found() -> None:
    modules = {"novaql.a", "novaql.b"}
    lazy = "def f():\n    from novaql.b import g\n"
    graph = {"novaql.a": imported(lazy, modules), "novaql.b": imported("import novaql.a", modules)}

    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


def test_imports_of_type_checkers_do_not_count() -> None:
    text = "if TYPE_CHECKING:\n    from novaql import a\nelse:\n    import novaql.b\n"

    assert imported(text, {"novaql.a", "novaql.b"}) == {"novaql.b"}
