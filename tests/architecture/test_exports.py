"""The server uses only what packages of the library export; exports have a user and a docstring."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

import novaql
from tests.support.repository.files import ROOT, python_files, repository_files

LIBRARY = ("grammar", "novaql", "tsdb")


@dataclass(frozen=True)
class Import:
    """`from module import name`; `name` is empty for `import module`."""

    path: Path
    line: int
    module: str
    name: str


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(path, node.lineno, node.module or "", alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name, "")


def in_library(module: str) -> bool:
    return f"{module}.".startswith("novaql.") and not f"{module}.".startswith("novaql.server.")


def package_of(path: Path) -> str:
    """The package that the file is in: `novaql.tsdb` for tsdb/labels.py."""
    folder = path.parent.parts
    return ".".join(folder if folder[0] == "novaql" else ("novaql", *folder))


def init_of(package: str) -> Path | None:
    parts = package.split(".")
    folder = Path(*parts[1:]) if parts[1:2] and parts[1] in LIBRARY else Path(*parts)
    init = folder / "__init__.py"
    return init if (ROOT / init).is_file() else None


@functools.cache
def source_of(package: str) -> dict[str, str]:
    """The names that an `__init__` exports, and the modules that define them, for type checkers."""
    init = init_of(package)
    assert init is not None
    found = {
        each.name: each.module
        for each in imports(init)
        if each.module.startswith(f"{package}.") and each.name != "lazy_exports"
    }
    for node in tree(init).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name] = package
    return found


def exported(package: str) -> set[str]:
    return set(getattr(import_module(package), "__all__", ()))


@functools.cache
def packages() -> list[str]:
    """Packages of the library that export names."""
    inits = [path for path in python_files() if path.name == "__init__.py"]
    names = {package_of(path) for path in inits if path.parts[0] in LIBRARY}
    return sorted(name for name in names if exported(name))


def test_the_server_imports_the_library_by_exported_names() -> None:
    inside = [
        f"{each.path}:{each.line}: {each.module} {each.name}"
        for path in python_files()
        if path.parts[0] == "server"
        for each in imports(path)
        if in_library(each.module)
        and (
            init_of(each.module) is None
            or (each.name.startswith("_") and each.name != "__version__")
            or (
                each.name not in exported(each.module)
                and each.name not in SUBPACKAGES.get(each.module, ())
            )
        )
    ]

    assert inside == []


SUBPACKAGES = {"novaql": {"tsdb"}}
"""Packages that are imported from the package around them."""


@pytest.mark.parametrize("package", packages())
def test_what_is_loaded_is_what_type_checkers_see(package: str) -> None:
    module = import_module(package)
    names = exported(package) - {"__version__"}

    own = {name for name, source in source_of(package).items() if source.startswith(package)}
    assert names - {"format"} == own - {"format", "format_expr"} or names == own
    for name in names:
        value = getattr(import_module(source_of(package)[name]), name)
        assert getattr(module, name) is value, name


@pytest.mark.parametrize("package", packages())
def test_no_exported_name_is_that_of_a_module(package: str) -> None:
    """Import of the module would put it in the place of the name."""
    init = init_of(package)
    assert init is not None
    if "lazy_exports" not in (ROOT / init).read_text():
        return
    modules = {path.stem for path in (ROOT / init).parent.iterdir()}

    assert exported(package) & modules == set()


def definition_is_explained(module: str, name: str) -> bool:
    """Whether a docstring, a text below an assignment, or a comment beside it explains a name."""
    path = module_file(module)
    body = tree(path).body
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return ast.get_docstring(node) is not None
        if isinstance(node, ast.Assign):
            targets = {
                each.id
                for target in node.targets
                for each in ast.walk(target)
                if isinstance(each, ast.Name)
            }
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            targets = {node.target.id}
        else:
            continue
        if name in targets:
            text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            comment = any(
                "#" in lines[at - 1] for at in range(node.lineno - 1, (node.end_lineno or 0) + 1)
            )
            return text or comment
    return False


def module_file(module: str) -> Path:
    init = init_of(module)
    if init is not None:
        return init
    parent, _, last = module.rpartition(".")
    package = init_of(parent)
    assert package is not None
    return package.parent / f"{last}.py"


def defined_in(module: str, name: str) -> str:
    """The module that defines a name, behind modules that import it."""
    for each in imports(module_file(module)):
        if each.name == name and in_library(each.module):
            return defined_in(each.module, name)
    return module


@pytest.mark.parametrize("package", packages())
def test_every_exported_name_is_explained(package: str) -> None:
    silent = [
        name
        for name in sorted(exported(package) - {"__version__"})
        if name != "format"
        and not definition_is_explained(defined_in(source_of(package)[name], name), name)
    ]

    assert silent == []


@functools.cache
def users() -> dict[tuple[str, str], set[str]]:
    """(module or package, name) → the folders of the files that use it."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in python_files():
        folder = package_of(path) if path.parts[0] in (*LIBRARY, "server") else path.parts[0]
        modules: dict[str, str] = {}
        for each in imports(path):
            found[each.module, each.name].add(folder)
            whole = f"{each.module}.{each.name}" if each.name else each.module
            modules[each.name or each.module.partition(".")[0]] = whole
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = modules.get(node.value.id)
                if module is not None:
                    found[module, node.attr].add(folder)
    return found


@functools.cache
def documentation() -> str:
    return "\n".join(
        (ROOT / path).read_text(encoding="utf-8")
        for path in repository_files()
        if path.suffix == ".md" and (path.parts[0] == "docs" or path == Path("README.md"))
    )


def has_user(package: str, name: str) -> bool:
    """Whether a file outside of a package uses the name, or the documentation shows it."""
    source = defined_in(source_of(package)[name], name)
    folders = (
        users()[package, name] | users()[source, name] | users()[source_of(package)[name], name]
    )
    if any(not f"{folder}.".startswith(f"{package}.") for folder in folders):
        return True
    short = package.removeprefix("novaql.")
    shown = rf"\b{re.escape(short)}\.{name}\b|from {re.escape(package)} import [^\n]*\b{name}\b"
    return re.search(shown, documentation()) is not None


@pytest.mark.parametrize("package", [name for name in packages() if name != "novaql"])
def test_every_exported_name_has_a_user(package: str) -> None:
    unused = [name for name in sorted(exported(package)) if not has_user(package, name)]

    assert unused == []


def test_names_of_novaql_are_documented() -> None:
    """`novaql` exports what docs/reference/python.md describes: its users are programs."""
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^## `(\w+)`", page, re.MULTILINE))

    assert exported("novaql") - sections - {"__version__"} == set()
    assert novaql.__version__
