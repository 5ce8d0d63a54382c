"""What takes long is marked, so that a default run (`-m "not slow"`) stays short."""

from __future__ import annotations

import re

from tests.support.repository.files import ROOT, python_files

STARTS = re.compile(r"\b(server_process|abuse_rig)\(")
"""A server in a process of its own: it imports for seconds before it listens."""


def test_files_that_start_servers_have_slow_tests() -> None:
    files = [path for path in python_files() if path.parts[0] == "tests"]
    unmarked = [
        str(path)
        for path in files
        if path.name.startswith("test_")
        and STARTS.search(text := (ROOT / path).read_text(encoding="utf-8"))
        and "pytest.mark.slow" not in text
    ]
    assert unmarked == []
