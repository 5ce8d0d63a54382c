"""What is read off a pattern must be what RE2 would say."""

from __future__ import annotations

import gc
import tracemalloc

import hypothesis.strategies as st
import pytest
from hypothesis import given

from novaql.tsdb.index.patterns import listed_texts
from novaql.tsdb.model.matchers import compile_regex, match_range

patterns = st.text(alphabet="ab|()[].*+?\\^${}1,", max_size=9)
texts = st.text(alphabet="ab|()[].1,^$", max_size=5)


@given(patterns, texts)
def test_shapes_agree_with_re2(pattern: str, text: str) -> None:
    try:
        matched = compile_regex(pattern).fullmatch(text) is not None
    except ValueError:
        return
    if matched:
        low, high = match_range(pattern)
        assert low <= text.encode() <= high
    listed = listed_texts(pattern)
    if listed is not None:
        assert matched == (text in listed)


@pytest.mark.parametrize(
    ("pattern", "listed"),
    [
        ("a|b", ("a", "b")),
        ("(a|b)", ("a", "b")),
        ("(?:a|)", ("a", "")),
        (r"10\.0\.0\.1:9100", ("10.0.0.1:9100",)),
        ("", ("",)),
        ("a.b", None),
        ("(a)|(b)", None),
        ("(?i)a", None),
    ],
)
def test_listed_texts(pattern: str, listed: tuple[str, ...] | None) -> None:
    assert listed_texts(pattern) == listed


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("api-.*", ["api-", "api-1"], ["api", "api.", "b"]),
        (r"a\.b.*", ["a.b"], ["a.c", "axb"]),
        ("prod-(a|b)", ["prod-a", "prod-b"], ["prod-", "prod-c"]),
        ("b|d.*", ["b", "d", "d9"], ["", "a", "e"]),
        ("(?i)ab.*", ["AB", "ab", "aBc"], ["", "A", "b"]),
        (".*", ["", "a", "\U0010ffff"], []),
        (r"\C+", ["", "a", "\U0010ffff"], []),
    ],
)
def test_match_range(pattern: str, inside: list[str], outside: list[str]) -> None:
    low, high = match_range(pattern)
    assert all(low <= text.encode() <= high for text in inside)
    assert not any(low <= text.encode() <= high for text in outside)


def test_lists_of_long_patterns_take_bounded_memory() -> None:
    tracemalloc.start()
    try:
        for number in range(40):
            found = listed_texts("|".join(f"{n}{number}" for n in range(20_000)))
            assert found is not None
            assert len(found) == 20_000
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 20 << 20
    finally:
        tracemalloc.stop()
