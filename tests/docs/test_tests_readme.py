"""The table of `tests/README.md` names folders and files that exist."""

from __future__ import annotations

import re

import pytest

from tests.support.repository.files import ROOT

README = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
PLACEHOLDER = re.compile(r"[A-Z]{4}")
"""`tests/server/NAME`."""
PATHS = sorted(
    path for path in set(re.findall(r"`(tests/[\w./*]+)`", README)) if not PLACEHOLDER.search(path)
)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_exists(path: str) -> None:
    assert list(ROOT.glob(path)), path


def test_every_folder_of_support_has_a_row() -> None:
    folders = {path.name for path in (ROOT / "tests" / "support").iterdir() if path.is_dir()}
    rows = set(re.findall(r"`(\w+)`", README))

    assert folders - {"__pycache__"} <= rows
