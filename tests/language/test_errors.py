"""Mistakes: the place and the sentence for each."""

from __future__ import annotations

import pytest

from novaql.errors import QueryError, SyntaxProblem, TypeProblem, UnknownName
from novaql.language import format_expr, parse
from novaql.span import Span

# Query, the part that is marked, and words of the sentence. `·` in the part: the end of the query.
SYNTAX = [
    ("", "·", "the query is empty"),
    ("# only a comment", "·", "the query is empty"),
    ("sum(foo", "(", '"(" is not closed, add ")"'),
    ('foo{a="b"', "{", '"{" is not closed'),
    ("foo[5m", "[", '"[" is not closed'),
    ('{a="b', '"b', 'no closing "'),
    ("foo)", ")", '")" closes nothing'),
    ("(foo]", "(foo]", '"(" is closed by "]"'),
    ("foo +", "·", "an expression is missing behind +"),
    ("()", ")", "there is nothing between the parentheses"),
    ('foo["5m"]', '"5m"', "a duration is expected between the brackets"),
    ("foo[]", "]", "as in [5m]"),
    ("foo[5x]", "5x", "unknown unit x"),
    ("foo[1h30]", "1h30", "ends without a unit"),
    ("foo[5m5m]", "5m5m", "the unit m appears twice"),
    ("foo[5m1h5m]", "5m1h5m", "the unit m appears twice"),
    ("foo[0]", "0", "must be longer than 0"),
    ("foo[-5m]", "-5m", "must be longer than 0"),
    ("foo[5m:0s]", "0s", "a step must be longer than 0"),
    ("foo[999999999y]", "999999999y", "longer than 292 years"),
    ("foo[1m atan2 2]", "atan2", "not for durations"),
    ("foo{a=b}", "b", 'must be quoted, got "b", write ="b"'),
    ("foo{a=“b”}", "“", 'unexpected “ (left double quotation mark), write "'),
    ('foo{a=["b", "c"]}', "[", 'a quoted value must follow =, as in {label="value"}'),
    ('foo{a=="b"}', "==", "match a label with ="),
    ('foo{a>"b"}', ">", "labels are texts"),
    ('foo{a.b="c"}', "a.b", 'write "a.b"'),
    ('foo{a:b="c"}', "a:b", 'write "a:b"'),
    ('foo{a="b" c="d"}', "c", '"," is missing'),
    ('foo{a="b",,}', ",", "expected a label name"),
    ('foo{a=~"("}', '"("', "missing )"),
    ('foo{a=~"(?=x)"}', '"(?=x)"', "bad regular expression"),
    ("{}", "{}", "the selector matches every series"),
    ('{a=~".*"}', '{a=~".*"}', "the selector matches every series"),
    ('foo{__name__="bar"}', 'foo{__name__="bar"}', "the metric name is given twice"),
    ('{"a","b"}', '"b"', 'given twice: "a" and "b"'),
    ('{""}', '""', "cannot be empty"),
    ('{a="\\xff"}', '"\\xff"', "valid UTF-8"),
    ("sum foo", "foo", "sum needs parentheses"),
    ("sum by job (foo)", "job", "write by (job)"),
    ("sum by (job) foo", "foo", "parentheses are missing"),
    ("sum by (a.b) (foo)", "a.b", 'write "a.b"'),
    ("sum by (1) (foo)", "1", "must be quoted"),
    ("sum by (a b) (foo)", "b", "is missing before"),
    ("foo by (a)", "by", "must follow an aggregator"),
    ("rate foo[5m]", "foo", "write rate(…)"),
    ("foo bar", "bar", "directly follows another expression"),
    ("foo ofset 5m", "ofset", 'did you mean "offset"?'),
    ("foo = 1", "=", "compare with =="),
    ('foo =~ "a"', "=~", "outside of braces"),
    ("foo && bar", "&&", "write and"),
    ("foo ** 2", "**", "write ^"),
    ("!foo", "!", "nothing can be negated"),
    ("a + group_left b", "group_left", "must follow on"),
    ("a + on(x) group_left(x) b", "(x)", "both on (…) and group_left (…)"),
    ("1 + on", "·", "as in on (job)"),
    ("a + fill(1) fill(2) b", "fill(2)", "a second value"),
    ("a + fill() b", ")", "a value is missing"),
    ("bool", "bool", "not a metric name here"),
    ("foo offset", "·", "a duration must follow offset"),
    ("foo offset 5m offset 5m", "offset", "offset is given twice"),
    ("1 + WITH (a = 2) a", "WITH", "WITH must begin an expression, write (WITH …)"),
    ("x * with (f(a) = a) f(1)", "with", "with must begin an expression, write (with …)"),
    ("-let a = 2 in a", "let", "let must begin an expression, write (let …)"),
    ("foo @ 1 @ 2", "@", "@ is given twice"),
    ("foo @ bar", "bar", "Unix seconds, start() or end()"),
    ("foo @ inf", "inf", "out of range"),
    ("sum(foo) anchored", "anchored", "must follow a selector"),
    ("foo smoothed anchored", "anchored", "exclude each other"),
    ("foo[5m][5m]", "[5m]", "has a range already"),
    ("foo offset 1m [5m]", "foo offset 1m [5m]", "write the range first"),
    ("1e999", "1e999", "too large"),
    ("0xFFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFFF", "too large"),
    ("1__0", "1__0", "bad number"),
    ('"\\q"', "\\q", "unknown escape"),
    ('"\\ud800"', "\\ud800", "unknown escape"),
    ("a\\ud800", "a\\ud800", "no such character"),
    ("a€", "€", "unexpected"),
    ("foo – bar", "–", "write -"),
    ("foo\u00a0+ 1", "\u00a0", "invisible character"),
    ("rate(foo[$__rate_interval])", "$__rate_interval", "variable of a dashboard"),
    ("up{host=$host}", "$host", "variable of a dashboard"),
    ("up{host=~${host:regex}}", "${host:regex}", "variable of a dashboard"),
    ("http.requests", "http.requests", 'write {"http.requests"}'),
    ("foo; bar", ";", "a query is one expression"),
    ('foo{a="b"; c="d"}', ";", "does not separate conditions, write a comma"),
    ("clamp(foo; 1; 2)", ";", "does not separate arguments, write a comma"),
    ("let a = b; c = d in a", ";", "does not separate the names of let"),
    ("sum(foo), bar", ",", "write (a, b) for the series of both"),
    ("foo in (1, 2)", "in", "by == (1, 2)"),
    ("let a = b", "·", "as in let a = up in sum(a)"),
    ("foo |> 5", "5", "must follow |>, got"),
    ("foo |> ", "·", "must follow |>, got the end of the query"),
    ('foo{a: "b"}', "a:", 'write {label="value"}'),
    ('foo{"a" : "b"}', ":", 'write {label="value"}'),
    ('foo{a="b" and c="d"}', "and", "does not join conditions, write a comma"),
    ('foo{a="b" || c="d"}', "||", "does not join conditions, write or"),
    ('foo{a="b" and="d"}', "and", '"," is missing before "and"'),
    ("foo <> 1", "<>", "write !="),
    ("foo !== 1", "!==", "write !="),
    ("foo > = 1", "> =", "write >="),
    ("// foo", "//", "a comment begins with #"),
    ("foo /* 1 */", "/*", "a comment begins with #"),
    ("foo > on (x) bool bar", "bool", "as in a > bool on (x) b"),
    ("clamp(foo 1, 2)", "1", "write a comma or an operator between them"),
    ("(foo 1)", "1", "write an operator between them"),
    ("sum(foo) by", "·", "as in by (job)"),
    ("sum(foo) limit", "·", "the query ends too early, expected a number"),
    ("foo\ud800", "\ud800", "not valid UTF-8"),
]
TYPES = [
    ("sum(foo[5m])", "foo[5m]", "expects an instant vector, got a range vector"),
    ('clamp("1", 2, 3)', '"1"', "argument 1 of clamp() expects an instant vector"),
    ("-foo[5m]", "foo[5m]", "the sign - expects"),
    ('"a" + 1', '"a"', "+ expects scalars and instant vectors, got a string"),
    ('"1" and foo', '"1"', "and expects scalars and instant vectors"),
    ("1 </ 2", "1", "a histogram on its left"),
    ("a + bool b", "bool", "bool is for comparisons"),
    ("a and on(x) group_left b", "group_left", "many to many"),
    ("a or fill(1) b", "fill(1)", "takes no fill"),
    ("a + on(x) 1", "1", "for two instant vectors"),
    ("a + fill(2) 1", "1", "fill is for two instant vectors"),
    ("foo[5m][5m:]", "foo[5m]", "a subquery expects an instant vector"),
    ("topk(foo)", "topk", "topk takes two arguments, got 1, as in topk(k, v)"),
    ("sum(1, foo[5m])", "foo[5m]", "sum expects an instant vector, got a range vector"),
    ("topk(1, foo, bar)", "topk", "topk takes two arguments, got 3"),
    ("sum()", "sum", "got 0"),
    ('topk("a", foo)', '"a"', "expects a scalar, got a string"),
    ("count_values(1, foo)", "1", "expects a string"),
    ("round()", "round()", "at least 1 argument"),
    ("round(a, 1, 2)", "2", "at most 2 arguments"),
    ("time(1)", "1", "no arguments"),
    ("label_join(a)", "label_join(a)", "at least 3 arguments"),
    ("info(a, b + 1)", "b + 1", "label matchers"),
]
NAMES = [
    ("rates(x[5m])", "rates", 'unknown function "rates", did you mean "rate"?'),
    ("RATES(x[5m])", "RATES", 'did you mean "rate"?'),
    ("holt_winter(x[5m], 1, 2)", "holt_winter", "holt_winters"),
    ("xyzzy(x)", "xyzzy", 'unknown function "xyzzy"'),
]


@pytest.mark.parametrize(
    ("kind", "text", "marked", "sentence"),
    [(SyntaxProblem, *row) for row in SYNTAX]
    + [(TypeProblem, *row) for row in TYPES]
    + [(UnknownName, *row) for row in NAMES],
)
def test_mistake_is_marked_and_explained(
    kind: type[QueryError], text: str, marked: str, sentence: str
) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)

    error = caught.value
    assert type(error) is kind
    assert sentence in error.sentence
    if marked == "·":
        assert error.span.start == len(text)
    else:
        assert marked == text[error.span.start : error.span.end]


def test_position_counts_lines_and_columns_from_one() -> None:
    with pytest.raises(UnknownName) as caught:
        parse("sum(\n  rates(x[5m])\n)")

    assert (caught.value.line, caught.value.column, caught.value.length) == (2, 3, 5)
    assert str(caught.value).endswith("  rates(x[5m])\n  ^^^^^")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "a" + ")" * 5000,
        "-abs(" * 5000,
        "a" + "^a" * 5000,
        "a" + "[1m:]" * 5000,
        "a[" + "(" * 5000 + "1m" + ")" * 5000 + "]",
        "a[" + "1m+" * 5000 + "1m]",
        "- " * 5000 + "a",
        "a offset " + "-" * 5000 + "step()",
        "sum(" * 300 + "a" + ")" * 300,
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse(text)


def test_depth_just_within_the_limit_is_fine() -> None:
    text = "(" * 198 + "a" + ")" * 198
    assert format_expr(parse(text)) == text


def test_very_long_text_is_refused() -> None:
    with pytest.raises(SyntaxProblem, match="longer than 1000000 characters"):
        parse("a" * 1_000_001)


def test_text_of_very_many_words_is_refused_at_the_first_too_many() -> None:
    many = "a+" * 50_000
    with pytest.raises(SyntaxProblem, match="more than 100000 words") as caught:
        parse(many + "b")
    assert caught.value.span == Span(100_000, 100_001)


def test_long_texts_comments_and_names_are_one_word_each() -> None:
    blanks = "x " * 150_000
    expr = parse(f"up{{a=\"{blanks}\",b='{blanks}'}} # {blanks}")
    assert format_expr(expr) == f'up{{a="{blanks}",b="{blanks}"}}'


@pytest.mark.parametrize(
    "text",
    ["1" * 9000, "x[" + "1m" * 4000 + "]", "f" * 9000 + "(x)", 'x{a=~"' + "(a|" * 3000 + '"}',
     "a." * 4000, "{" + "a" * 5000 + "=b}"],
    ids=["number", "duration", "function", "pattern", "dots", "label"],
)  # fmt: skip
def test_sentences_stay_short(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)

    assert len(caught.value.sentence) < 400
