"""Patterns of matchers: what a process holds of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from novaql.tsdb.model.matchers import compile_regex

GROWTH = r"""
from pathlib import Path
from novaql.tsdb.model.matchers import compile_regex

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

before = resident()
for number in range(120):
    assert compile_regex(rf"\pL{{80}}{number}").fullmatch("e" * 80 + str(number))
print(resident() - before)
"""


@pytest.mark.slow
def test_large_patterns_are_not_held() -> None:
    """Each of them has a program of a megabyte, from 17 characters of a query."""
    grown = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, check=True, text=True
    )
    assert int(grown.stdout) < 64 << 20


@pytest.mark.parametrize("pattern", ["a", "|".join(map(str, range(20_000))), r"\pL{80}.*"])
def test_small_and_large_patterns_match_newlines(pattern: str) -> None:
    regex = compile_regex(f"({pattern})\n?")
    assert regex.fullmatch({"a": "a\n"}.get(pattern, "1\n" if "|" in pattern else "é" * 80 + "\n"))
    assert regex is compile_regex(f"({pattern})\n?")


def test_the_reason_is_that_of_re2() -> None:
    for pattern, reason in ((r"\pL{900}", "pattern too large"), ("(", r"missing \)")):
        with pytest.raises(ValueError, match=reason):
            compile_regex(pattern)
