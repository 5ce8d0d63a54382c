"""Every folder of code says what it is, and tests borrow from no other folder of tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.repository.files import ROOT, python_files, repository_files

HOUSES = ("benchmarks", "grammar", "novaql", "server", "tsdb")


def folders() -> list[Path]:
    found = {path.parent for path in python_files() if path.parts[0] in HOUSES}
    return sorted(found)


def has_docstring(path: Path) -> bool:
    text = (ROOT / path).read_text(encoding="utf-8")
    return text.startswith('"""') or ast.get_docstring(ast.parse(text)) is not None


def test_every_folder_introduces_itself() -> None:
    files = set(repository_files())
    silent = [
        str(folder)
        for folder in folders()
        if folder / "README.md" not in files
        and not (folder / "__init__.py" in files and has_docstring(folder / "__init__.py"))
    ]

    assert silent == []


def test_every_module_introduces_itself() -> None:
    silent = [
        str(path)
        for path in python_files()
        if path.parts[0] in HOUSES
        and (ROOT / path).read_text(encoding="utf-8").strip()
        and not has_docstring(path)
    ]

    assert silent == []


def test_installed_packages_are_importable_folders() -> None:
    """A folder without `__init__.py` would be left out of a wheel."""
    files = set(repository_files())

    assert [
        str(folder)
        for folder in folders()
        if folder.parts[0] in ("grammar", "novaql", "server", "tsdb")
        and folder / "__init__.py" not in files
    ] == []


_OF_TESTS = re.compile(r"^from tests\.((?:\w+\.)*)test_\w+ import", re.MULTILINE)


def test_no_test_imports_from_the_tests_of_another_folder() -> None:
    """What several folders use is in tests/support."""
    borrowed = {
        str(path): found.group()
        for path in python_files()
        if path.is_relative_to("tests")
        for found in _OF_TESTS.finditer((ROOT / path).read_text(encoding="utf-8"))
        if Path("tests", *found[1].split(".")[:-1]) != path.parent
    }
    assert borrowed == {}
