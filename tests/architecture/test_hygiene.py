"""What may not stand in any file of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.repository.files import ROOT, python_files, repository_files

# Written in pieces, so that this file does not contain what it looks for.
REGISTRY_HOST = re.compile(
    r"https?://[a-z0-9.-]*(" + "py" + "pi|python" + "hosted|npm" + "js|deb[.]" + "debian)"
)
MACHINE_PATH = re.compile(r"(^|[^A-Za-z0-9_.*\-/])/(work|farm|root|home)/[a-z.]")
UNFINISHED = re.compile(r"\braise NotImplemented" + r"|\b(TO" + "DO|FIX" + r"ME|XX" + r"X)\b")


def text_lines(paths: Iterator[Path] | list[Path]) -> Iterator[tuple[Path, int, str]]:
    for path in paths:
        content = (ROOT / path).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            yield path, number, line


def found(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, number, line in text_lines(paths)
        if pattern.search(line)
    ]


def written_here() -> list[Path]:
    """Everything but what others wrote: vendored files and the licence."""
    return [p for p in repository_files() if "vendor" not in p.parts and p.name != "LICENSE"]


def test_no_registry_host_names() -> None:
    assert found(REGISTRY_HOST, list(repository_files())) == []


def test_no_paths_of_one_machine() -> None:
    assert found(MACHINE_PATH, written_here()) == []


def test_nothing_is_left_for_later() -> None:
    code = [p for p in python_files() if p.parts[0] in ("novaql", "tsdb", "server", "grammar")]

    assert found(UNFINISHED, code) == []


def test_the_patterns_find_what_they_look_for() -> None:
    assert REGISTRY_HOST.search("see https://" + "py" + "pi.org/simple")
    assert MACHINE_PATH.search("open('/" + "work/main')")
    assert UNFINISHED.search("# TO" + "DO: more")
    assert UNFINISHED.search("raise NotImplemented" + "Error")
    assert not MACHINE_PATH.search("import novaql/work/main")


def test_no_large_files() -> None:
    large = {
        str(path): size
        for path in repository_files()
        if (size := (ROOT / path).stat().st_size) > 500_000
    }

    assert large == {}
