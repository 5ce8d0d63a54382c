"""pyproject.toml names what the code imports, and nothing that it does not."""

from __future__ import annotations

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.support.repository.files import ROOT, python_files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"benchmarks", "docs", "novaql", "tests"}

IMPORTED_BY_OTHERS = {"uvloop": "uvicorn imports it by name"}
"""Dependencies that another one imports where it finds them."""


def names(requirements: list[str]) -> set[str]:
    """Distribution names, normalised, of requirements; our own extras left out."""
    found = {re.split(r"[\s\[<>=!~;]", text)[0].lower().replace("_", "-") for text in requirements}
    return found - {"novaql"}


def declared(*extras: str) -> set[str]:
    chosen = PROJECT["optional-dependencies"]
    return names(PROJECT["dependencies"]).union(*(names(chosen[extra]) for extra in extras))


def imported(houses: set[str]) -> dict[str, Path]:
    """Top-level module → a file that imports it, for modules of other people."""
    found: dict[str, Path] = {}
    for path in python_files():
        if path.parts[0] in houses:
            for module in modules_in(path):
                found.setdefault(module, path)
    strangers = found.keys() - OURS - sys.stdlib_module_names
    return {module: found[module] for module in strangers}


@functools.cache
def modules_in(path: Path) -> frozenset[str]:
    """The top-level modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return frozenset(found)


@functools.cache
def installed() -> Mapping[str, list[str]]:
    """Top-level module → the distributions that bring it."""
    return packages_distributions()


def distributions(module: str) -> set[str]:
    return {name.lower().replace("_", "-") for name in installed().get(module, [])}


def undeclared(houses: set[str], allowed: set[str]) -> dict[str, str]:
    return {
        module: str(path)
        for module, path in imported(houses).items()
        if not distributions(module) & allowed
    }


def test_the_library_imports_what_it_declares() -> None:
    allowed = declared("fast", "pandas", "polars", "plot", "repl", "mcp", "ledger")

    assert undeclared({"novaql", "tsdb", "grammar"}, allowed) == {}


def test_the_server_imports_what_it_declares() -> None:
    # FastAPI is Starlette with types; it names the version that fits.
    assert undeclared({"server"}, declared("server") | {"starlette"}) == {}


def test_every_dependency_is_imported() -> None:
    used = {
        name
        for module in imported({"novaql", "tsdb", "grammar", "server"})
        for name in distributions(module)
    }
    extras = ("fast", "server", "pandas", "polars", "plot", "repl", "mcp", "ledger")
    wanted = declared(*extras)

    assert sorted(wanted - used) == sorted(IMPORTED_BY_OTHERS)


def test_every_dependency_has_a_tested_version() -> None:
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }

    assert declared(*PROJECT["optional-dependencies"]) - pinned == set()
