"""The README of a package names modules that exist."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT, repository_files

FILES = {path.as_posix() for path in repository_files()}
READMES = [
    path
    for path in repository_files()
    if path.name == "README.md" and path.parts[0] in ("grammar", "novaql", "server", "tsdb")
]
MODULE = re.compile(r"`([\w./]+\.py)`")


def absent(text: str, folder: Path) -> list[str]:
    """Modules that a README in a folder names and that do not exist.

    A name without a folder is a module of the package or below it, or a test. Another one is
    relative to the package, or the end of a path of the repository.
    """
    return [
        name
        for name in dict.fromkeys(MODULE.findall(text))
        if not {name, os.path.normpath(folder / name)} & FILES
        and not any(
            file.endswith(f"/{name}")
            and ("/" in name or file.startswith((f"{folder.as_posix()}/", "tests/")))
            for file in FILES
        )
    ]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.as_posix())
def test_every_module_exists(readme: Path) -> None:
    assert absent((ROOT / readme).read_text(encoding="utf-8"), readme.parent) == []


def test_an_absent_module_is_found() -> None:
    text = "`loop.py` of `jobs/loop.py`, `arrow.py`, `novaql/export/arrow.py`, `test_links.py`"

    assert absent(text, Path("server")) == ["arrow.py"]
    assert absent("`../server/app.py`, `../export/app.py`, `jobs/no.py`", Path("server")) == [
        "../export/app.py",
        "jobs/no.py",
    ]
    assert len(READMES) > 15
