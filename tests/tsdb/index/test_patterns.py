"""What is read off a pattern must be what RE2 would say."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from novaql.tsdb.index.patterns import listed_texts, literal_prefix
from novaql.tsdb.model.matchers import compile_regex

patterns = st.text(alphabet="ab|()[].*+?\\^${}1,", max_size=9)
texts = st.text(alphabet="ab|()[].1,^$", max_size=5)


@given(patterns, texts)
def test_shapes_agree_with_re2(pattern: str, text: str) -> None:
    try:
        matched = compile_regex(pattern).fullmatch(text) is not None
    except ValueError:
        return
    if matched:
        assert text.startswith(literal_prefix(pattern))
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
    ("pattern", "prefix"),
    [
        ("api-.*", "api-"),
        ("^api.+", "api"),
        ("ab*", "a"),
        ("ab+", "ab"),
        (r"a\.b.*", "a.b"),
        ("prod-(a|b)", "prod-"),
        ("a|b.*", ""),
        ("a[(]|b", ""),
        (".*", ""),
    ],
)
def test_literal_prefix(pattern: str, prefix: str) -> None:
    assert literal_prefix(pattern) == prefix
