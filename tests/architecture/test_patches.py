"""Tests do not patch constants of the server: they pass a `Tuning`, or an argument."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.repository.files import ROOT, repository_files

CONSTANT = re.compile(
    r"""setattr\(\s*(?:[\w.]+,\s*|["'][\w.]+\.)["']?(_?[A-Z][A-Z0-9_]*)["'],""", re.DOTALL
)
OBJECTS = {
    ("tests/server/probes/test_failures.py", "_POOL"): "threads that no longer answer",
    ("tests/server/webhooks/test_deliveries.py", "CHANGES"): "a change of the API that is to come",
}
"""What has the name of a constant, and is no number: file and name → what the test puts there."""


def patched(text: str) -> list[str]:
    """The constants that a test file patches."""
    return CONSTANT.findall(text)


def test_no_constant_of_the_server_is_patched() -> None:
    files = [path for path in repository_files() if path.is_relative_to(Path("tests/server"))]
    found = {
        (str(path), name)
        for path in files
        if path.suffix == ".py"
        for name in patched((ROOT / path).read_text(encoding="utf-8"))
    }

    assert found == {*OBJECTS}


def test_patches_are_found() -> None:
    text = (
        'monkeypatch.setattr(mail, "DEADLINE_S", 1)\nmonkeypatch.setattr("novaql.a._MOST", 2)\n'
        'monkeypatch.setattr(\n    a.b, "X", 3\n)\nmonkeypatch.setattr(StateDatabase, "write", f)\n'
    )

    assert patched(text) == ["DEADLINE_S", "_MOST", "X"]
