"""Extensions of MetricsQL: texts that are accepted, with their trees, and texts that are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from novaql.errors import QueryError
from novaql.language import format_expr, parse, parse_core
from novaql.language.parse import parsed

_PAGE = Path(__file__).resolve().parents[3] / "shared" / "METRICSQL.md"


@dataclass(frozen=True)
class Row:
    """An extension, as METRICSQL.md names it in part 1.

    accepted  text → the text of its core tree
    refused   text → words of the sentence
    plain     whether the accepted texts are PromQL, too
    """

    name: str
    accepted: dict[str, str]
    refused: dict[str, str]
    plain: bool = False


ROWS = [
    Row(
        "`rate(m)`, no `[d]`",
        {
            "rate(m)": "rate(m[auto])",
            "max_over_time(m offset 1d)": "max_over_time(m[auto] offset 1d)",
            "quantile_over_time(0.5, sum(m))": "quantile_over_time(0.5, sum(m)[auto])",
            "integrate(time())": "integrate(vector(time())[auto])",
        },
        {
            "rate(1)": "expects a range vector",
            'rate("m")': "expects a range vector",
            "quantile_over_time(m, m)": "expects a scalar",
        },
    ),
    Row(
        "bare selector `m`",
        {
            "default_rollup(m)": "default_rollup(m[auto])",
            "default_rollup(m[5m])": "default_rollup(m[5m])",
        },
        {"m m": "directly follows another expression", "default_rollup()": "takes 1 argument"},
    ),
    Row(
        "`rate(sum(m))`, `f(expr[1h])`",
        {
            "rate(sum(m))": "rate(sum(m)[auto])",
            "max_over_time((a + b)[1h])": "max_over_time((a + b)[1h])",
            "max_over_time(rate(m)[1h:])": "max_over_time(rate(m[auto])[1h:])",
        },
        {"rate(sum(m)[0])": "longer than 0", "rate(1[1h])": "cannot follow a literal"},
    ),
    Row(
        "`[10i]`, `offset 5i`",
        {
            "rate(m[10i])": "rate(m[(step() * 10s)])",
            "m offset 5i": "m offset (step() * 5s)",
            "m * 2i": "m * (step() * 2)",
        },
        {"m[10j]": "unknown unit", "m offset i5": "a duration is expected here"},
    ),
    Row(
        "durations",
        {
            "m[1.5m]": "m[1m30s]",
            "m[5w4h-3.4m]": "m[35d4h - 3m24s]",
            "m[4h5w]": "m[35d4h]",
            "m offset 90": "m offset 1m30s",
            "m > 5m": "m > 300",
            "m[-1h+90m]": "m[-1h + 1h30m]",
        },
        {
            "m[5x]": "unknown unit",
            "m[1h1h]": "appears twice",
            "m[1.m]": "bad number",
            "m[-5m]": "longer than 0",
        },
    ),
    Row(
        "numbers",
        {
            "1_000": "1000",
            "1.5Ki + 1kib": "1536 + 1024",
            "2GB - 1tb": "2000000000 - 1000000000000",
            "1M + 1m": "1000000 + 60",
        },
        {"1__0": "bad number", "1Kx": "unknown unit", "1.5Kii": "bad number"},
    ),
    Row(
        '`{a="1",b="2" or c="3"}`',
        {
            '{a="1",b="2" or c="3"}': '{a="1",b="2" or c="3"}',
            'm{(a="1" or b="2"),c="3"}': 'm{a="1",c="3" or b="2",c="3"}',
        },
        {
            '{a="1" or}': "expected",
            '{or a="1"}': "is missing before",
            '{a="1" or b=~".*"}': "every series",
        },
    ),
    Row(
        '`{__graphite__="a.*.b"}`',
        {
            '{__graphite__="a.*.b"}': '{__graphite__="a.*.b"}',
            'm{__graphite__!=""}': 'm{__graphite__!=""}',
        },
        {
            "{__graphite__=a.b}": "",
            "{__graphite__}": "must follow the label",
        },
        plain=True,  # a label as any other, as PromQL has it
    ),
    Row(
        '`{"name", "l"="v"}`, `foo\\-bar`, `\\xXX`, `\\uXXXX`, any Unicode letter',
        {
            '{"foo", "l"="v"}': 'foo{l="v"}',
            "foo\\-bar": '{"foo-bar"}',
            "m{a\\x2eb='1'}": 'm{"a.b"="1"}',
            "sum by (\\u00e9) (größe)": 'sum by ("é") ({"größe"})',
            "sumé + by\\-x": '{"sumé"} + {"by-x"}',
        },
        {
            "foo-": "missing behind -",
            "a\\ud800": "no such character",
            "a\\": "",
            "a€": "unexpected",
            '{"a", "b"}': "given twice",
        },
    ),
    Row(
        "`q == (C1, C2)`, `q != (C1, C2)`",
        {
            "q == (1, -2)": "q == (1, -2)",
            "q != (1, 2,)": "q != 1 != 2",
            "5 == (5, 6)": "vector(5) == (5, 6)",
        },
        {
            "q == bool (1, 2)": "takes no modifier",
            "q == on (a) (1, 2)": "takes no modifier",
            "q == (1, )2": "directly follows",
        },
    ),
    Row(
        "`q1 default q2`",
        {
            "a default 0": "a default 0",
            "a default on (x) b": "a default on (x) b",
            "default default default": "default default default",
        },
        {
            "a default": "missing behind default",
            "a default on (x) 0": "right side is a scalar",
            "a default bool b": "bool is for comparisons",
        },
    ),
    Row(
        "`q1 if q2`, `q1 ifnot q2`",
        {
            "a if b": "a and b",
            "a ifnot on (x) b": "a unless on (x) b",
            "a IF 1": "a and on () vector(1)",
        },
        {
            "a if": "missing behind if",
            "a ifnot group_left () b": "must follow on",
            "a if b[5m]": "got a range vector",
        },
    ),
    Row(
        "precedence",
        {
            "a default b if c or d": "a default b and (c or d)",
            "a if b == c": "a and b == c",
            "a default b default c": "a default b default c",
        },
        {"a default or b": "directly follows", "if (a) b": "directly follows"},
    ),
    Row(
        "`f(x) keep_metric_names`, `(a / b) keep_metric_names`",
        {
            "rate(x[5m]) keep_metric_names": "rate(x[5m]) keep_metric_names",
            "(a / b) keep_metric_names": "(a / b) keep_metric_names",
        },
        {
            "x keep_metric_names": "must follow a function",
            "sum(x) keep_metric_names": "must follow a function",
        },
    ),
    Row(
        '`group_left(*)`, `group_right(*)`, `... prefix "x_"`',
        {
            "a * on (x) group_left (*) b": "a * on (x) group_left (*) b",
            "a * on (x) group_right (*) prefix 'x_' b": 'a * on (x) group_right (*) prefix "x_" b',
        },
        {
            "a * group_left (*) b": "must follow on",
            "a * on (*) b": "a label name is expected here",
            "a * on (x) group_left (/) b": "a label or *",
        },
    ),
    Row(
        "`sum(x) by (y) limit N`",
        {
            "sum(x) by (y) limit 3": "limit_offset(3, 0, sum by (y) (x))",
            "x |> count limit 1": "limit_offset(1, 0, count(x))",
        },
        {
            "x limit 3": "must follow an aggregation",
            "sum(x) limit -1": "expected",
            "sum(x) limit 1.5": "whole number",
        },
    ),
    Row(
        "`avg(q1, q2, q3)`",
        {
            "avg(a, b)": 'avg(union(label_set(a, "__argument__", "0"), '
            'label_set(b, "__argument__", "1")))',
            "sum without (x) (a, 1)": "sum without (x, __argument__) "
            '(union(label_set(a, "__argument__", "0"), label_set(vector(1), "__argument__", "1")))',
            "a |> any(b)": 'label_del(any(union(label_set(a, "__argument__", "0"), '
            'label_set(b, "__argument__", "1"))), "__argument__")',
        },
        {
            "avg(a, b[5m])": "got a range vector",
            'avg("a", b)': "got a string",
            "avg()": "takes one argument",
            "topk(1, a, b)": "takes two arguments",
        },
    ),
    Row(
        "`sum(x) @ end()`, `x @ (end() - 1h)`, `sum(x) offset 1d`",
        {
            "sum(x) @ end() offset 1d": "sum(x) @ end() offset 1d",
            "x @ (end() - 1h + 60)": "x @ (end() - 3540.000)",
            "(a / b) offset -1d": "(a / b) offset -1d",
        },
        {
            "sum(x) @ 1 @ 2": "given twice",
            "5 offset 1d": "cannot follow a literal",
            "x @ (y)": "expected",
        },
    ),
    Row(
        "`union(a, b)` or `(a, b)`",
        {"union(a, b)": "union(a, b)", "(a, b, 1)": "union(a, b, vector(1))", "(a,)": "union(a)"},
        {"(a,,)": "expected", "(a, b": "not closed", "(a, b[5m])": "got a range vector"},
    ),
    Row(
        '`WITH (name = expr, f(a, b) = expr, filt = {a="b"}) expr`',
        {
            "WITH (x = a, f(y) = y + x) f(1)": "1 + a",
            'WITH (f = {a="b"}) m{f, c="d"}': 'm{c="d",a="b"}',
            "with (w = 5m) rate(m[w])": "rate(m[5m])",
            'WITH (s = "x") m{a=s + "y"}': 'm{a="xy"}',
        },
        {
            "WITH (x = 1": "not closed",
            "WITH (x = x1) y{x1}": "must follow the label",
            "WITH (f(x) = f(x)) f(1)": "calls itself",
            "WITH (x = 1, x = 2) x": "twice",
        },
    ),
    Row(
        '`"a" + "b"`',
        {
            'label_set(m, "a", "b" + "c")': 'label_set(m, "a", "bc")',
            'm{a="b" + "c"}': 'm{a="bc"}',
            'm{a=~"b" + `|c`}': 'm{a=~"b|c"}',
        },
        {'"a" - "b"': "got a string", 'm{a="b" - "c"}': "with + alone", '"a" + 1': "got a string"},
    ),
    Row(
        "trailing commas",
        {
            'm{a="b",}': 'm{a="b"}',
            "sum by (a,) (m,)": "sum by (a) (m)",
            "WITH (x = 1,) x": "1",
            "clamp(m, 1, 2,)": "clamp(m, 1, 2)",
        },
        {"sum(m,,)": "expected", "abs(,)": "expected", "m{,}": "expected"},
    ),
    Row(
        "comparisons of scalars",
        {
            "1 > 2": "vector(1) > 2",
            "time() < 5 or x": "vector(time()) < 5 or x",
            "scalar(x) == scalar(y)": "vector(scalar(x)) == scalar(y)",
        },
        {"1 > ": "missing behind >", "clamp(x, 1 < 2, 3)": "expects a scalar"},
    ),
    Row(
        "scalar and string results",
        {
            "(1, x)": "union(vector(1), x)",
            "1 default 2": "vector(1) default 2",
            '"text"': '"text"',
            "ru(x, 8Mi)": "ru(x, vector(8388608))",
            'label_set(time(), "a", "b")': 'label_set(vector(time()), "a", "b")',
            "count(x) or 0": "count(x) or vector(0)",
            "1 and 2 unless x": "vector(1) and vector(2) unless x",
            "max(5)": "max(vector(5))",
            "max_over_time(time()[1h:1m])": "max_over_time(vector(time())[1h:1m])",
            "WITH (free = 5) ru(free, x)": "ru(vector(5), x)",
        },
        {
            '("text", x)': "got a string",
            'x or "text"': "got a string",
            "clamp_max(x, x)": "expects a scalar",
        },
    ),
    Row(
        "names in any case, lists of texts, other orders",  # beside the table
        {
            "RATE(m[5m]) + Abs(m)": "rate(m[5m]) + abs(m)",
            'aggr_over_time(("rate", "lag"), m)': 'aggr_over_time("rate", "lag", m[auto])',
            'histogram_quantiles("q", 0.5, 0.9, b)': 'histogram_quantiles(b, "q", 0.5, 0.9)',
            'histogram_quantile(0.9, b, "bound")': 'histogram_quantile(0.9, b, "bound")',
        },
        {
            "RATES(m[5m])": "unknown function",
            'abs(("a", "b"))': "got a string",
            'histogram_quantiles("q", b)': "at least 3 arguments",
            'histogram_quantile("q", 0.9, b)': "expects a scalar",
        },
    ),
]


@pytest.mark.parametrize(("text", "core"), [pair for row in ROWS for pair in row.accepted.items()])
def test_text_is_accepted(text: str, core: str) -> None:
    tree = parse(text)

    assert core == format_expr(parse_core(text))
    assert tree == parse(format_expr(tree))
    assert tree == parse(format_expr(tree, style="pipes"))
    assert tree == parse(format_expr(tree, width=20))


@pytest.mark.parametrize(("text", "words"), [pair for row in ROWS for pair in row.refused.items()])
def test_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)

    assert words in caught.value.sentence


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_has_texts_and_names_an_extension(row: Row) -> None:
    assert len(row.accepted) >= 2
    assert len(row.refused) >= 2
    if not row.plain:
        assert any(parsed(text).extensions for text in row.accepted)


@pytest.mark.skipif(not _PAGE.is_file(), reason="needs METRICSQL.md in shared, beside the checkout")
def test_rows_are_those_of_the_page() -> None:
    part = _PAGE.read_text().partition("## 1. Syntax")[2].partition("\n## ")[0]
    cells = [line.split(" | ")[0].removeprefix("| ") for line in part.splitlines() if "|" in line]

    assert cells[2:] == [row.name for row in ROWS[:-1]]
