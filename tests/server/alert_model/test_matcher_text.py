"""Matchers as text."""

from __future__ import annotations

import pytest

from novaql.server.alert_model.matcher_text import parse_matcher
from novaql.server.errors import InvalidRequest
from novaql.tsdb import Matcher, MatchOp


@pytest.mark.parametrize(
    ("text", "matcher"),
    [
        ("a=b", Matcher("a", MatchOp.EQUAL, "b")),
        (' a != " b " ', Matcher("a", MatchOp.NOT_EQUAL, " b ")),
        ("a=~ b|c \n", Matcher("a", MatchOp.REGEX, "b|c")),
        ('"a \\"b\\""=', Matcher('a "b"', MatchOp.EQUAL, "")),
        ("a == b", Matcher("a", MatchOp.EQUAL, "= b")),
    ],
)
def test_parse(text: str, matcher: Matcher) -> None:
    assert parse_matcher(text, "") == matcher


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "text", ["a=b" + " " * 500_000 + "c", '"' + '\\"' * 500_000, '"' + "a" * 500_000, " " * 500_000]
)
def test_a_long_text(text: str) -> None:
    try:
        found = parse_matcher(text, "/matchers/0")
    except InvalidRequest as problem:
        assert problem.details[0].pointer == "/matchers/0"  # noqa: PT017 - one text is valid
    else:
        assert found.value == text.removeprefix("a=")
