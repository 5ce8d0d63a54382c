"""The server uses only what packages of the library export; exports have a user and a docstring."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT, python_files

LIBRARY = ("grammar", "novaql", "tsdb")
HOUSES = (*LIBRARY, "server")


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


@functools.cache
def contents(path: Path) -> tuple[tuple[Import, ...], frozenset[tuple[str, str]]]:
    """What a file imports, and the attributes of names that it reads, as (name, attribute)."""
    imported: list[Import] = []
    attributes: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom():
                module = node.module or ""
                imported += (Import(path, node.lineno, module, alias.name) for alias in node.names)
            case ast.Import():
                imported += (Import(path, node.lineno, alias.name, "") for alias in node.names)
            case ast.Attribute(ast.Name(name), attribute):
                attributes.add((name, attribute))
    return tuple(imported), frozenset(attributes)


def imports(path: Path) -> tuple[Import, ...]:
    return contents(path)[0]


def in_library(module: str) -> bool:
    """Two modules are of all houses: they have no part in what the library does."""
    return f"{module}.".startswith("novaql.") and not f"{module}.".startswith(
        ("novaql.server.", "novaql.lazy_exports.", "novaql.fast_dataclass.")
    )


def package_of(path: Path) -> str:
    """The package that the file is in: `novaql.tsdb` for tsdb/model/labels.py."""
    folder = path.parent.parts
    return ".".join(folder if folder[0] == "novaql" else ("novaql", *folder))


def init_of(package: str) -> Path | None:
    parts = package.split(".")
    folder = Path(*parts[1:]) if parts[1:2] and parts[1] in HOUSES else Path(*parts)
    init = folder / "__init__.py"
    return init if (ROOT / init).is_file() else None


@functools.cache
def source_of(package: str) -> dict[str, tuple[str, str]]:
    """The public names of an `__init__`, as type checkers see it → module and name there."""
    init = init_of(package)
    assert init is not None
    statements = [
        inner
        for node in tree(init).body
        for inner in (node.body if isinstance(node, ast.Try) else [node])
    ]
    checked = [inner for node in statements if isinstance(node, ast.If) for inner in node.body]
    found: dict[str, tuple[str, str]] = {}
    for node in [*checked, *statements]:
        match node:
            case ast.ImportFrom(str(module), names) if module.startswith(f"{package}."):
                # Under TYPE_CHECKING, `import X as X` exports, and `import X` does not.
                found |= {
                    alias.asname or alias.name: (module, alias.name)
                    for alias in names
                    if node in statements or alias.asname == alias.name
                }
            case ast.Assign([ast.Name(name)], ast.Name(other)):  # format = format_expr
                found[name] = found[other]
            case ast.FunctionDef(name) | ast.AnnAssign(ast.Name(name)) if not name.startswith("_"):
                found[name] = package, name
    return found


def exported(package: str) -> set[str]:
    return set(getattr(import_module(package), "__all__", ())) - {"__version__"}


_IMPORTED = re.compile(r"^ *(?:from|import) (novaql[\w.]*)", re.MULTILINE)


@functools.cache
def packages() -> list[str]:
    """Packages of the library that the server imports. Each worker asks for them, so they are read
    from the lines: parsing the server takes a second."""
    texts = (
        (ROOT / path).read_text(encoding="utf-8")
        for path in python_files()
        if path.parts[0] == "server"
    )
    modules = {module for text in texts for module in _IMPORTED.findall(text)}
    return sorted(module for module in modules if in_library(module) and init_of(module))


@functools.cache
def exporting() -> list[str]:
    """Every package of the library and of the server with `__all__`."""
    return sorted(
        package_of(path)
        for path in python_files()
        if path.name == "__init__.py"
        and path.parts[0] in HOUSES
        and "__all__" in (ROOT / path).read_text(encoding="utf-8")
    )


def imports_of_the_server() -> list[Import]:
    return [
        each
        for path in python_files()
        if path.parts[0] == "server"
        for each in imports(path)
        if in_library(each.module)
    ]


OTHERS = {"novaql": {"__version__", "export", "tsdb"}}
"""What is imported from a package and is no exported name: packages inside of it."""


def test_the_server_imports_the_library_by_exported_names() -> None:
    inside = [
        f"{each.path}:{each.line}: {each.module} {each.name}"
        for each in imports_of_the_server()
        if init_of(each.module) is None
        or each.name not in exported(each.module) | OTHERS.get(each.module, set())
    ]

    assert inside == []


@pytest.mark.parametrize("package", packages())
def test_what_is_loaded_is_what_type_checkers_see(package: str) -> None:
    names = source_of(package)

    assert exported(package) == set(names)
    for name, (module, original) in names.items():
        assert getattr(import_module(package), name) is getattr(import_module(module), original)


@pytest.mark.parametrize("package", packages())
def test_no_exported_name_is_that_of_a_module(package: str) -> None:
    """Import of the module would put it in the place of the name."""
    init = init_of(package)
    assert init is not None
    if "lazy_exports" not in (ROOT / init).read_text():
        return
    modules = {path.stem for path in (ROOT / init).parent.iterdir()}

    assert exported(package) & modules == set()


def module_file(module: str) -> Path:
    init = init_of(module)
    if init is not None:
        return init
    parent, _, last = module.rpartition(".")
    package = init_of(parent)
    assert package is not None
    return package.parent / f"{last}.py"


def definition(module: str, name: str) -> tuple[str, str]:
    """The module that defines a name, behind modules that import it."""
    if init_of(module) is not None and source_of(module).get(name, (module, name))[0] != module:
        return definition(*source_of(module)[name])
    for each in imports(module_file(module)):
        if each.name == name and in_library(each.module):
            return definition(each.module, name)
    return module, name


def is_explained(module: str, name: str) -> bool:
    """Whether a docstring, or a text below the assignment, explains a name."""
    body = tree(module_file(module)).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if node.name == name:
                return ast.get_docstring(node) is not None
            case ast.Assign() | ast.AnnAssign() if name in assigned(node):
                return isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    return False


def assigned(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {
        each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)
    }


@pytest.mark.parametrize("package", exporting())
def test_every_exported_name_is_explained(package: str) -> None:
    silent = [
        name
        for name, (module, original) in sorted(source_of(package).items())
        if name in exported(package) and not is_explained(*definition(module, original))
    ]

    assert exported(package) <= source_of(package).keys()
    assert silent == []


@functools.cache
def folders_of_users() -> dict[tuple[str, str], set[str]]:
    """(module or package, name) → the packages or folders of the files that use it."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in python_files():
        ours = path.parts[0] in HOUSES
        folder = package_of(path) if ours else path.parts[0]
        modules: dict[str, str] = {}
        for each in imports(path):
            found[each.module, each.name].add(folder)
            modules[each.name] = f"{each.module}.{each.name}"
        for name, attribute in contents(path)[1]:
            if name in modules:
                found[modules[name], attribute].add(folder)
    return found


def is_used(package: str, name: str) -> bool:
    """Whether a file outside of a package uses the name."""
    module, original = source_of(package)[name]
    places = {(package, name), (module, original), definition(module, original)}
    folders = {folder for place in places for folder in folders_of_users()[place]}
    return any(not f"{folder}.".startswith(f"{package}.") for folder in folders)


@pytest.mark.parametrize("package", sorted({*exporting()} - {"novaql"}))
def test_every_exported_name_has_a_user(package: str) -> None:
    names = exported(package) & source_of(package).keys()

    assert [name for name in sorted(names) if not is_used(package, name)] == []


def test_packages_that_export_are_found() -> None:
    assert {each.module for each in imports_of_the_server() if init_of(each.module)} == {
        *packages()
    }
    assert {*packages(), "novaql.result", "novaql.server.executors"} <= {*exporting()}


def test_names_of_novaql_are_documented() -> None:
    """The users of `novaql` itself are programs: docs/reference/python.md describes its names."""
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")

    assert exported("novaql") - set(re.findall(r"^## `(\w+)`", page, re.MULTILINE)) == set()
