"""The pages that follow one request name files, classes and functions that exist."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT

PAGES = sorted((ROOT / "docs" / "design").glob("life-of-*.md"))
EVALUATOR = ROOT / "novaql" / "evaluator" / "README.md"
MOST_HOPS = 25
HOP = re.compile(r"^(\d+)\. (.*(?:\n {2,}.*)*)", re.MULTILINE)
LINK = re.compile(r"\[`([^`\]]+\.py)`\]\(([^)\s]+)\)(?:\s+`([A-Za-z_][\w.]*)`)?")
"""A file, and the name behind it, which the file defines."""
OTHER = re.compile(r"`([A-Z_]\w*\.\w+|_[a-z]\w*)`")
"""`Class.method` or `_function`: one of the files of the hop defines it."""


def defined(text: str) -> set[str]:
    """Functions, classes and methods that a module defines: `f`, `C`, `C.m`."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


@lru_cache
def names_in(path: Path) -> set[str]:
    return defined(path.read_text(encoding="utf-8"))


def faults(hop: str, folder: Path) -> list[str]:
    """Files and names of a hop that do not exist."""
    found, names = [], set()
    for shown, target, name in LINK.findall(hop):
        path = (folder / target).resolve()
        if not path.is_file() or not path.as_posix().endswith(f"/{shown}"):
            found.append(f"{shown}: there is no such file at {target}")
            continue
        names |= names_in(path)
        if name and name not in names_in(path):
            found.append(f"{shown} does not define {name}")
    others = set(OTHER.findall(hop)) - {name for _, _, name in LINK.findall(hop)}
    return found + [f"no file of the hop defines {name}" for name in sorted(others - names)]


@pytest.mark.parametrize("page", [*PAGES, EVALUATOR], ids=lambda page: page.stem)
def test_every_name_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    hops = HOP.findall(text)

    assert [int(number) for number, _ in hops] == list(range(1, len(hops) + 1))
    assert 1 <= len(hops) <= MOST_HOPS
    assert [n for n, hop in hops if not any(name for _, _, name in LINK.findall(hop))] == []
    wrong = [f"hop {number}: {fault}" for number, hop in hops for fault in faults(hop, page.parent)]
    between = HOP.sub("", text)
    assert wrong + faults(between, page.parent) == []


def test_missing_files_and_names_are_found(tmp_path: Path) -> None:
    (tmp_path / "edge.py").write_text("class Edge:\n    def call(self): ...\ndef _f(): ...\n")

    assert faults("[`edge.py`](edge.py) `Edge.call` calls `_f`, in `max_bytes`", tmp_path) == []
    assert faults("[`edge.py`](edge.py)\n    `Edge.gone`, `_g` and `Edge.h`", tmp_path) == [
        "edge.py does not define Edge.gone",
        "no file of the hop defines Edge.h",
        "no file of the hop defines _g",
    ]
    assert faults("[`gone.py`](gone.py) `f`", tmp_path) == [
        "gone.py: there is no such file at gone.py"
    ]


def test_there_is_a_page_for_each_kind_of_request() -> None:
    assert [page.stem for page in PAGES] == [
        "life-of-a-query",
        "life-of-a-remote-write",
        "life-of-an-append",
        "life-of-an-incident",
    ]
