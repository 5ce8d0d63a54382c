"""Patterns of matchers: what a process holds of them."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc

import pytest

from novaql.tsdb.model.matchers import Matcher, MatchOp, PatternTooCostly, compile_regex, full_match

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


def test_the_texts_of_long_patterns_are_not_held() -> None:
    compile_regex("first|" + "x" * 200_000)
    tracemalloc.start()
    try:
        for number in range(100):
            assert full_match(compile_regex("|".join([str(number), "x" * 200_000])), str(number))
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 8 << 20
    finally:
        tracemalloc.stop()


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


GROUPS = r"""
import resource
from novaql.tsdb.model.labels import LabelColumn
from novaql.tsdb.model.matchers import Matcher, MatchOp

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before = peak()
matcher = Matcher("i", MatchOp.REGEX, "(" * 6000 + "a+" + ")" * 6000)
assert matcher.matches("aaa")
assert matcher.matching_codes(["", "aaa", "b"]).tolist() == [False, True, False]
print(peak() - before)
"""


@pytest.mark.slow
def test_nested_groups_take_no_memory_in_matchers() -> None:
    """RE2 would hold the places of all groups for each state of the pattern: 270 MiB."""
    grown = subprocess.run(
        [sys.executable, "-c", GROUPS], capture_output=True, check=True, text=True
    ).stdout
    assert int(grown) < 64 << 20


def test_patterns_with_too_many_groups_are_refused() -> None:
    for pattern in ("(" * 3000 + ")" * 3000, "(?P<a>" * 3000 + ")" * 3000):
        with pytest.raises(ValueError, match="too many groups"):
            compile_regex(pattern)
    named = Matcher("i", MatchOp.REGEX, "(?P<a>" * 3000 + ")" * 3000)
    with pytest.raises(ValueError, match="too many groups"):
        named.matches("")
    assert compile_regex("|".join(f"({n})" for n in range(500))).groups == 500


def test_groups_count_in_the_cost_of_a_match() -> None:
    pattern = compile_regex("(a*)" * 500)
    assert full_match(pattern, "a" * 10) is not None
    with pytest.raises(PatternTooCostly):
        full_match(pattern, "a" * 5000)
