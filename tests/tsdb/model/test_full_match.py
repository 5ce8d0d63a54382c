"""Matches of whole texts: the same spans, whether RE2 reads bytes or characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.tsdb.model.matchers import compile_regex, full_match

PATTERNS = ["(.*)", "(a)?(.*)b", "(?:(x)|(ä+))*.?", "([^\n]*)\n?(.)", "()(a|b|ä)*", r"(\d+)-(\w*)"]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=st.text("abxä\n1-€", max_size=8))
def test_spans_are_those_of_characters(pattern: str, text: str) -> None:
    regex = compile_regex(pattern)
    found, expected = full_match(regex, text), regex.fullmatch(text)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        groups = range(regex.groups + 1)
        assert [found.span(g) for g in groups] == [expected.span(g) for g in groups]
