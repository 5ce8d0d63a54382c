"""Variables in queries: what is put in, and that nothing gets out."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from novaql.errors import QueryError
from novaql.language import parse, walk
from novaql.language.ast import VectorSelector
from novaql.server.dashboards.interpolation import (
    BadValue,
    NoValue,
    Value,
    check,
    escaped_regex,
    interpolated,
)

ATTACK = 'x"} or vector(1) #'


def put(text: str, *values: str, pattern: str | None = None) -> str:
    return interpolated(text, {"v": Value(values, pattern)})


def matcher_value(query: str) -> str:
    (selector,) = [node for node in walk(parse(query)) if isinstance(node, VectorSelector)]
    return selector.matchers[0].value


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ('up{job="$v"}', ["a"], 'up{job="a"}'),
        ("up{job='$v'}", ["it's"], "up{job='it\\'s'}"),
        ('up{job=~"$v"}', ["a.b"], 'up{job=~"a\\\\.b"}'),
        ('up{job=~"$v"}', ["a", "b"], 'up{job=~"(a|b)"}'),
        ('up{job!~"x${v}y"}', ["a", "b+"], 'up{job!~"x(a|b\\\\+)y"}'),
        ("up{job=~`$v`}", ["a.b"], "up{job=~`a\\.b`}"),
        ('up{job=~"[[v]]"}', ["a"], 'up{job=~"a"}'),
        ('up{job=~"${v:pipe}"}', ["a.*", "b"], 'up{job=~"a.*|b"}'),
        ("rate(up[$v])", ["5m"], "rate(up[5m])"),
        ("rate(up[${v}m])", ["5"], "rate(up[5m])"),
        ("sum by ($v) (up)", ["job"], "sum by (job) (up)"),
        ("sum by (${v:csv}) (up)", ["job", "le"], "sum by (job, le) (up)"),
        ("up > $v", ["-1.5"], "up > (-1.5)"),
        (
            'label_replace(up, "a", "$1", "b", "(.*)$v")',
            ["x"],
            'label_replace(up, "a", "$1", "b", "(.*)x")',
        ),
        ("up # $v\n + 1", ["x"], "up # $v\n + 1"),
        ('up{job="$v2"}', ["a"], 'up{job="$v2"}'),
    ],
)
def test_what_is_put_in(text: str, values: list[str], expected: str) -> None:
    assert put(text, *values) == expected
    parse(expected)


def test_the_authors_pattern_stands_for_all() -> None:
    assert put('up{job=~"$v"}', "a", "b", pattern=".*") == 'up{job=~".*"}'


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('up{job="$v"}', ["a", "b"]),
        ("rate(up[$v])", [ATTACK]),
        ("sum by ($v) (up)", ["job) (up) or vector(1"]),
        ("up $v up", ["or"]),
        ("up $v up", ["unless"]),
        ("up > $v", ["1 or vector(1)"]),
        ("up > $v", ["1", "2"]),
        ("up{job=~`$v`}", ["`} or up{a=`"]),
        ('up{job=~"$v"}', []),
        ('up{job=~"${v:nonsense}"}', ["a"]),
    ],
)
def test_what_is_refused(text: str, values: list[str]) -> None:
    with pytest.raises(BadValue, match="variable v"):
        put(text, *values)


def test_a_pattern_is_no_list_of_labels() -> None:
    """Without labels, `by ()` would be another query."""
    with pytest.raises(NoValue, match="variable v"):
        put("sum by (${v:csv}) (up)", pattern=".*")
    assert put("sum by (${v:csv}) (up)", "job", pattern=".*") == "sum by (job) (up)"


def shape(query: str) -> list[str]:
    return [type(node).__name__ for node in walk(parse(query))]


@given(st.text() | st.just(ATTACK) | st.text(alphabet="\"'`\\{}()|#\nx$[]"))
def test_a_value_in_quotes_is_that_value_and_changes_nothing_else(value: str) -> None:
    for quote in ('"', "'"):
        for operator in ("=", "!="):
            query = put(f"sum(up{{job{operator}{quote}$v{quote}}}) + vector(2)", value)
            assert matcher_value(query) == value
            assert shape(query) == shape('sum(up{job="x"}) + vector(2)')
        query = put(f"sum(up{{job=~{quote}$v{quote}}}) + vector(2)", value, "second")
        assert shape(query) == shape('sum(up{job="x"}) + vector(2)')
        assert re2.fullmatch(matcher_value(query), value)
        assert re2.fullmatch(matcher_value(query), "second")


@given(st.text(alphabet='abc01.-+eE:sm()[]{}|#" \nor', max_size=12))
def test_a_value_outside_of_quotes_stays_one_token(value: str) -> None:
    for text in ("sum(up) > $v", "sum by ($v) (up)", "rate(up[$v])", "$v"):
        try:
            query = put(text, value)
            made = shape(query)
        except (BadValue, QueryError):
            continue
        harmless = {
            tuple(shape(put(text, word)))
            for word in ("1", "-1", "5m", "name")
            if _parses(put(text, word))
        }
        assert tuple(made) in harmless


def _parses(query: str) -> bool:
    try:
        parse(query)
    except QueryError:
        return False
    return True


@given(st.text(), st.text())
def test_an_escaped_regex_matches_its_text_alone(value: str, other: str) -> None:
    assert re2.fullmatch(escaped_regex(value), value)
    assert bool(re2.fullmatch(escaped_regex(value), other)) == (value == other)


@pytest.mark.parametrize(
    "text",
    [
        'up{job=~"$v"}',
        "rate(up[$d])",
        "rate(up[${n}m])",
        "sum by ($v) (topk($n, up)) > $n",
        "$v{a='b'} offset $d",
        "avg_over_time(up[$w:$d])",
    ],
)
def test_queries_are_checked_without_values(text: str) -> None:
    check(text, ["v", "d", "n", "w"], ["d"])


@pytest.mark.parametrize(
    ("text", "column"), [("sum(up[$d]) +", 14), ("rat(up[$d])", 1), ("up{job=$unknown}", 8)]
)
def test_a_query_that_cannot_parse_is_told_with_its_place(text: str, column: int) -> None:
    with pytest.raises(QueryError) as problem:
        check(text, ["v", "d"], ["d"])
    assert problem.value.column == column


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("quote", ['"', "'"])
def test_the_time_of_a_text_without_end_grows_with_its_length(quote: str) -> None:
    text = quote + f"\\{quote}" * 200_000
    assert put(text, "x") == text
    assert put(f"{text} $v", "x") == f"{text} x"


@pytest.mark.usefixtures("soon")
def test_the_time_of_a_long_value_grows_with_its_length() -> None:
    with pytest.raises(BadValue):
        put("$v", "1" * 200_000 + "x")
