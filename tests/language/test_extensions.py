"""Extensions of PromQL: their trees, their texts, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from novaql import language
from novaql.errors import QueryError
from novaql.language import (
    AGGREGATORS,
    FUNCTIONS,
    Aggregator,
    Signature,
    format_expr,
    parse,
    parse_core,
)
from novaql.language.signatures import Origin

# An extension in strict_promql's words, a query, its canonical text, and the text of its core tree.
ACCEPTED = [
    ("the pipe |>", "m[5m] |> rate |> sum by (job)", "sum by (job) (rate(m[5m]))", ""),
    ("the pipe |>", "a + b |> histogram_quantile(0.9)", "histogram_quantile(0.9, a + b)", ""),
    ("the pipe |>", "m |> topk by (x) (2) |> abs()", "abs(topk by (x) (2, m))", ""),
    ("the pipe |>", "m |> sum by (x) limit 3", "sum by (x) (m) limit 3",
     "limit_offset(3, 0, sum by (x) (m))"),
    ("let", "let x = a, f(y,) = y + x, in f(3) * x", "let x = a, f(y) = y + x in f(3) * x",
     "(3 + a) * a"),
    ("let", "let x = x offset 1d in x offset 5m", "let x = x offset 1d in x offset 5m",
     "x offset 1d offset 5m"),
    ("let", "let x = 1 in let y = x, x = 2 in y + x", "let x = 1 in let y = x, x = 2 in y + x",
     "1 + 2"),
    ("let", "let f(let) = let in f(a) + let", "let f(let) = let in f(a) + let", "a + let"),
    ("let", "let m = a{x='1'} in rate(m{y='2'}[5m] offset 1m)",
     'let m = a{x="1"} in rate(m{y="2"}[5m] offset 1m)',
     'rate(a{x="1",y="2"}[5m] offset 1m)'),
    ("WITH", 'WITH (f = {a="b"}, w = 5m) sum(rate(m{f, c="d"}[w]))',
     'let f = {a="b"}, w = 300 in sum(rate(m{c="d",f}[w]))', 'sum(rate(m{c="d",a="b"}[5m]))'),
    ("WITH", "WITH (w = 5m, s = 1m) m[w:s]", "let w = 300, s = 60 in m[w:s]", "m[5m:1m]"),
    ("WITH", 'WITH (s = "x", t = s + "y") m{a=t + "z", b=~s}',
     'let s = "x", t = s + "y" in m{a=t + "z",b=~s}', 'm{a="xyz",b=~"x"}'),
    ("WITH", "with () a", "a", ""),
    ("default", "a default 0", "a default 0", ""),
    ("if", "a if b default 0", "a if b default 0", "a and b default 0"),
    ("ifnot", "a IFNOT on (x) b or c", "a ifnot on (x) b or c", "a unless on (x) (b or c)"),
    ("or in a selector", '{a="1" or b="2", c="3"}', '{a="1" or b="2",c="3"}', ""),
    ("parentheses in a selector", 'm{(a="1" or b="2"), or="3",}',
     'm{a="1",or="3" or b="2",or="3"}', ""),
    ("a list in parentheses", "x == (1, 2)", "x == (1, 2)", ""),
    ("a list in parentheses", "x != (1, 2,)", "x != (1, 2)", "x != 1 != 2"),
    ("a list in parentheses", "(a, b + 1, 5)", "union(a, b + 1, 5)", "union(a, b + 1, vector(5))"),
    ("union()", "union(a, b)", "union(a, b)", ""),
    ("a size suffix", "1.5Ki + 2GiB", "1536 + 2147483648", ""),
    ("a size suffix", "10M - .5kB - 1mi", "10000000 - 500 - 1048576", ""),
    ("a fraction in a duration", "m[1.5h] offset 0.5s", "m[1h30m] offset 500ms", ""),
    ("the unit i", "m[5i]", "m[(step() * 5s)]", ""),
    ("a comma after the last argument", "round(a, 2,)", "round(a, 2)", ""),
    ("a comma after the last argument", "sum(a,)", "sum(a)", ""),
    ("joined texts", 'm{a="x" + "y"}', 'm{a="xy"}', ""),
    ("joined texts", 'count_values("a" + "b", x)', 'count_values("a" + "b", x)',
     'count_values("ab", x)'),
    ("offset behind an expression", "sum(x) offset 1d", "sum(x) offset 1d", ""),
    ("@ behind an expression", "(a / b) @ end() offset 5m", "(a / b) @ end() offset 5m", ""),
    ("arithmetic after @", "x @ (end() - 1h)", "x @ (end() - 3600.000)", ""),
    ("arithmetic after @", "x @ (100 - 1m)", "x @ 40.000", ""),
    ("keep_metric_names", "rate(x[5m]) keep_metric_names", "rate(x[5m]) keep_metric_names", ""),
    ("keep_metric_names", "(a / b) keep_metric_names", "(a / b) keep_metric_names", ""),
    ("limit", "sum by (a) (x) limit 10", "sum by (a) (x) limit 10",
     "limit_offset(10, 0, sum by (a) (x))"),
    ("labels of different names", "a * on (p=q, ns) group_left (n) b",
     "a * on (p=q, ns) group_left (n) b", ""),
    ("labels of different names", 'a and on ("x.y"=z) b', 'a and on ("x.y"=z) b', ""),
    ("group_left (*)", 'a * on (x) group_left (*) prefix "x_" b',
     'a * on (x) group_left (*) prefix "x_" b', ""),
    ("prefix", "a * on (x) group_right (y) prefix 'o_' b",
     'a * on (x) group_right (y) prefix "o_" b', ""),
    ("a range vector without a range", "rate(m)", "rate(m)", "rate(m[auto])"),
    ("a range vector without a range", "rate(sum(m))", "rate(sum(m))", "rate(sum(m)[auto])"),
    ("an automatic window", "rate(m[auto] offset 1d)", "rate(m[auto] offset 1d)", ""),
    ("an automatic window", "rate(m[auto:1m])", "rate(m[auto:1m])", ""),
    ("a range of an expression", "max_over_time(sum(m)[1h])", "max_over_time(sum(m)[1h])", ""),
    ("an operation on the samples of a range", "avg_over_time(x[10m] != 0)",
     "avg_over_time(x[10m] != 0)", ""),
    ("an operation on the samples of a range", "max_over_time(8 * abs(x[1h]))",
     "max_over_time(8 * abs(x[1h]))", ""),
    ("an operation on the samples of a range", "rate(x[1h:] + y)", "rate(x[1h:] + y)",
     "rate((x + y)[1h:])"),
    ("an operation on the samples of a range", "2 < x[1h:]", "2 < x[1h:]", "(2 < x)[1h:]"),
    ("an operation on the samples of a range", "round(x[1h:], 2)", "round(x[1h:], 2)",
     "round(x, 2)[1h:]"),
    ("median", "median by (a) (x) limit 2", "median by (a) (x) limit 2",
     "limit_offset(2, 0, median by (a) (x))"),
    ("topk_max", 'x |> topk_max by (a) (5, "b=other") limit 9',
     'topk_max by (a) (5, x, "b=other") limit 9',
     'limit_offset(9, 0, topk_max by (a) (5, x, "b=other"))'),
    ("quantiles", 'x |> quantiles("q", 0.5, 0.9)', 'quantiles("q", 0.5, 0.9, x)', ""),
    ("the pipe |>", 'm[5m] |> quantiles_over_time("q", 0.5, 0.9)',
     'quantiles_over_time("q", 0.5, 0.9, m[5m])', ""),
    ("aggr_over_time()", 'aggr_over_time("rate", "lag", m)',
     'aggr_over_time("rate", "lag", m)', 'aggr_over_time("rate", "lag", m[auto])'),
    ("quantiles_over_time()", 'quantiles_over_time("q", 0, 1, m[5m] * 2)',
     'quantiles_over_time("q", 0, 1, m[5m] * 2)', ""),
    ("let", 'let q = 0.5, l = "a" in quantiles(l, q, 2 * q, x)',
     'let q = 0.5, l = "a" in quantiles(l, q, 2 * q, x)', 'quantiles("a", 0.5, 2 * 0.5, x)'),
    ("a further argument of hour()", 'hour(x, "Europe/Berlin")', 'hour(x, "Europe/Berlin")', ""),
    ("a further argument of histogram_quantile()", 'histogram_quantile(0.9, x, "bound")',
     'histogram_quantile(0.9, x, "bound")', ""),
    ("a word of the language in a list of labels", "sum by (Inf, a) (x)",
     'sum by ("Inf", a) (x)', ""),
    ("a word of the language in a list of labels", "x + on (nan=a) group_left (without) y",
     'x + on ("nan"=a) group_left ("without") y', ""),
    ("a metric name before the braces in info()", 'info(x, build_info{y="z"})',
     'info(x, {__name__="build_info",y="z"})', ""),
    ("an escaped name", "a\\-b + 1", '{"a-b"} + 1', ""),
    ("a letter beyond ASCII in a name", "größe", '{"größe"}', ""),
    ("the order of units in a duration", "m[5m1h]", "m[1h5m]", ""),
    ("a further argument of avg", "avg(a, b) by (x)", "avg by (x) (a, b)",
     'avg by (x) (union(label_set(a, "__argument__", "0"), label_set(b, "__argument__", "1")))'),
    ("the case of a function's name", "Rate(m[5m])", "Rate(m[5m])", "rate(m[5m])"),
    ("a comparison of scalars without bool", "1 > 2", "1 > 2", "vector(1) > 2"),
    ("a scalar in the place of a vector", "count(x) or 0", "count(x) or 0",
     "count(x) or vector(0)"),
    ("an operation on the samples of a range", "max_over_time(abs(x[1h])) or 0",
     "max_over_time(abs(x[1h])) or 0", "max_over_time(abs(x[1h])) or vector(0)"),
    ("a scalar in the place of a vector", "abs(-1)", "abs(-1)", "abs(vector(-1))"),
    ("a scalar in the place of a vector", "sum(time())", "sum(time())", "sum(vector(time()))"),
    ("a scalar in the place of a vector", "rate(time())", "rate(time())",
     "rate(vector(time())[auto])"),
    ("the order of arguments of histogram_quantiles()", 'histogram_quantiles("q", 0, 1, b)',
     'histogram_quantiles("q", 0, 1, b)', 'histogram_quantiles(b, "q", 0, 1)'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "canonical", "core"), [row[1:] for row in ACCEPTED])
def test_extension_is_accepted(text: str, canonical: str, core: str) -> None:
    tree = parse(text)

    assert canonical == format_expr(tree)
    assert tree == parse(canonical)
    assert (core or canonical) == format_expr(parse_core(text))


@pytest.mark.parametrize(("extension", "text"), [row[:2] for row in ACCEPTED])
def test_strict_promql_refuses_it_by_name(extension: str, text: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, strict_promql=True)

    assert f"{extension} is an extension of NovaQL" in caught.value.message


# `note("the name")`, also of two names, and `("the name", span)`.
_NOTED = re.compile(r"""(?:note|found\.append)\(\(?\s*f?"([^"]+)"(?: if [^"\n]+ else "([^"]+)")?""")


def test_every_extension_that_the_parser_names_is_in_the_table() -> None:
    sources = [path.read_text() for path in Path(language.__file__).parent.glob("*.py")]
    named = {name for text in sources for found in _NOTED.findall(text) for name in found if name}
    known = {row[0] for row in ACCEPTED}
    known |= {"{modifier} behind an expression", "a further argument of {op}"}
    known |= {"{name}()", "a further argument of {name}()", "a further argument of {expr.op}"}
    # Names in selectors and durations are those of let, which is refused first.
    known |= {"a name in a selector", "a name in a duration"}

    assert len(named) > 20
    assert named <= known


@pytest.mark.parametrize("row", [*FUNCTIONS.values(), *AGGREGATORS.values()])
def test_strict_promql_refuses_what_other_languages_define(row: Signature | Aggregator) -> None:
    if row.origin is Origin.PROMQL:
        parse(row.example, strict_promql=True)
        return
    with pytest.raises(QueryError, match="is an extension of NovaQL"):
        parse(row.example, strict_promql=True)


# A query, the part that is marked, and words of the sentence. `·`: the end of the query.
REFUSED = [
    ("m |> rate + 1", "+", "unexpected"),
    ("m |>", "·", "a function or an aggregator must follow |>"),
    ("m |> time", "time", "takes no vector"),
    ("m |> topk", "topk", "takes two arguments"),
    ("m |> topk_max", "topk_max", "takes two or three arguments"),
    ("m |> quantiles('q')", "quantiles", "takes at least three arguments"),
    ("m |> rats", "rats", "unknown function"),
    ("let x = 1", "·", "the expression that uses the names of let is missing"),
    ("let f(x) = f(x) in f(1)", "f", "calls itself"),
    ("let f(x) = x in f(1, 2)", "f(1, 2)", "takes 1 argument, got 2"),
    ("let f(x) = x in f + 1", "f", "is a function here"),
    ("let x = 1 in x(2)", "x", "takes no arguments"),
    ("let x = 1, x = 2 in x", "x = 2", "has the name x twice"),
    ("let f(a, a) = a in f(1, 2)", "a", "the function has the name a twice"),
    ("let x = 1 in m{x}", "x", "no set of conditions"),
    ("let x = 1 in m{a=x}", "x", "no text"),
    ("let x = m in rate(m[x])", "x", "no duration"),
    ("m[bar]", "bar", "a duration is expected here"),
    ("m{filt}", "filt", "must follow the label"),
    ("let x = a + b in x{y='1'}", "x{y='1'}", "no selector"),
    ("let x = m[5m] in rate(x[5m])", "x[5m]", "has a range already"),
    ("let sum(x) = x in sum(1)", "sum", "is an aggregator"),
    ("WITH (x = 1", "(", "is not closed"),
    ("WITH (x == 1)", "WITH", "unknown function"),
    ("a default on (x) 0", "0", "the right side is a scalar"),
    ("a default group_left () b", "group_left", "must follow on"),
    ("a if on (x) group_left () b", "group_left", "matches many to many"),
    ("a ifnot", "·", "missing behind ifnot"),
    ('{a="1" or b=""}', '{a="1" or b=""}', "matches every series"),
    ('{a="1" or}', "}", "expected"),
    ('m{(a="1"}', '(a="1"}', "is closed by"),
    ("x == bool (1, 2)", "x == bool (1, 2)", "takes no modifier"),
    ("1.5Kx", "1.5Kx", "bad number"),
    ("1.5KiK", "1.5KiK", "bad number"),
    ("5j", "5j", "unknown unit"),
    ("let b = 1, a\\-b = 1 in 2", "a\\-b = 1", "cannot be escaped"),
    ("let f(a\\-b) = 1 in 2", "a\\-b", "cannot be escaped"),
    ("sum(a,,)", ",", "expected"),
    ('m{a="x" - "y"}', "-", "joined with + alone"),
    ("5 offset 1d", "offset 1d", "cannot follow a literal"),
    ("sum(x) offset 1d offset 2d", "offset 2d", "offset is given twice"),
    ("sum(x) @ 5 @ 6", "@ 6", "@ is given twice"),
    ("x @ (end() + start())", "start", "can be added once"),
    ("x @ (foo)", "foo", "expected"),
    ("x keep_metric_names", "keep_metric_names", "must follow a function"),
    ("sum(x) keep_metric_names", "keep_metric_names", "must follow a function"),
    ("x limit 5", "limit 5", "must follow an aggregation"),
    ("sum(x) limit 1.5", "1.5", "a whole number"),
    ("a * ignoring (x=y) b", "(x=y)", "for on, not for ignoring"),
    ("a * on (x!=y) b", "!=", "left=right"),
    ("a * on (x) group_left (+) b", "+", "a label name is expected here"),
    ("a * on (x) group_left (y=z) b", "(y=z)", "pairs of labels are for on"),
    ("rate(5)", "5", "expects a range vector"),
    ("increase(-(5 + 1))", "-(5 + 1)", "expects a range vector"),
    ('rate("x")', '"x"', "expects a range vector"),
    ("5[5m]", "[5m]", "cannot follow a literal"),
    ("m offset auto", "auto", "a range of its own"),
    ("avg_over_time(x[5m] != y)", "y", "constants alone"),
    ("avg_over_time(x[5m] and 1)", "x[5m] and 1", "not for the samples"),
    ("rate(x[5m] anchored * 8)", "x[5m] anchored", "samples are changed"),
    ("x[5m] + 1", "x[5m]", "expects scalars and instant vectors"),
]


@pytest.mark.parametrize(("text", "marked", "sentence"), REFUSED)
def test_mistake_is_marked_and_explained(text: str, marked: str, sentence: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)

    error = caught.value
    assert sentence in error.sentence
    if marked == "·":
        assert error.span.start == len(text)
    else:
        assert marked == text[error.span.start : error.span.end]


WORDS = ["let", "with", "in", "if", "ifnot", "default", "limit", "prefix", "keep_metric_names",
         "auto", "or", "union"]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "form",
    ["{}", "{} + 1", "1 + {}", "-{}", "sum({})", "{}{{a='b'}}", "{} offset 5m", "{}[5m]",
     "sum by ({}) (m)", "a + on ({}) b", "a * on (x) group_left ({}) {}", "m{{{}='x'}}",
     "m{{a='x', {}='y'}}", "{} and {}", "{} or {}", "a / on (x) group_left {}"],
)  # fmt: skip
def test_words_of_extensions_stay_names(word: str, form: str) -> None:
    text = form.format(*[word] * form.count("{}"))

    tree = parse(text, strict_promql=True)

    assert parse_core(text) is tree
    assert tree == parse(format_expr(tree), strict_promql=True)


def test_plain_promql_is_not_expanded() -> None:
    text = "sum by (job) (rate(m[5m])) / on (job) group_left () b @ end() > 1"

    assert parse_core(text) is parse(text)


def test_info_metric_is_printed_as_prometheus_reads_it() -> None:
    tree = parse('info(x, {"build_info", y="z"})', strict_promql=True)

    assert format_expr(tree) == 'info(x, {__name__="build_info",y="z"})'
    assert tree == parse(format_expr(tree), strict_promql=True)


@pytest.mark.parametrize(
    ("text", "pipes"),
    [
        ("topk(5, sum by (job) (rate(m[5m])))", "m[5m] |> rate |> sum by (job) |> topk(5)"),
        ("histogram_quantile(0.9, a + b)", "a + b |> histogram_quantile(0.9)"),
        ('label_replace(m, "a", "$1", "b", "c")', 'm |> label_replace("a", "$1", "b", "c")'),
        ("rate(m[5m]) keep_metric_names", "m[5m] |> rate keep_metric_names"),
        ("sum without () (m) limit 3", "m |> sum without () limit 3"),
        ('aggr_over_time("rate", "lag", m[5m])', 'm[5m] |> aggr_over_time("rate", "lag")'),
        ('topk_max(5, m, "b=c")', 'm |> topk_max(5, "b=c")'),
        ('quantiles without (a) ("q", 0.5, 0.9, m)', 'm |> quantiles without (a) ("q", 0.5, 0.9)'),
        ("time()", "time()"),
        ("a + sum(b)", "a + sum(b)"),
        ("sum(let x = a in x)", "sum(let x = a in x)"),
    ],
)
def test_calls_are_printed_as_pipes(text: str, pipes: str) -> None:
    tree = parse(text)

    assert pipes == format_expr(tree, style="pipes")
    assert tree == parse(pipes)


def test_long_pipes_get_a_line_for_each_stage() -> None:
    tree = parse("topk(5, sum by (job) (rate(m[5m])))")

    text = format_expr(tree, style="pipes", width=20)

    assert text == "m[5m]\n|> rate\n|> sum by (job)\n|> topk(5)"
    assert tree == parse(text)


def test_long_let_is_broken_over_lines() -> None:
    tree = parse("let ratio(a, b) = sum(a) / sum(b), e = rate(errors[5m]) in ratio(e, e)")

    text = format_expr(tree, width=30)

    assert text == (
        "let\n  ratio(a, b) =\n    sum(a) / sum(b),\n  e = rate(errors[5m])\nin\nratio(e, e)"
    )
    assert tree == parse(text)


def test_doubling_functions_are_bounded() -> None:
    names = [f"f{n}(x) = f{n - 1}(x) + f{n - 1}(x)" for n in range(1, 40)]

    with pytest.raises(QueryError, match="more than 20000 parts"):
        parse(f"let f0(x) = x, {', '.join(names)} in f39(m)")


def test_functions_of_functions_are_bounded() -> None:
    names = [f"f{n}(x) = -(-(f{n - 1}(x)))" for n in range(1, 120)]

    with pytest.raises(QueryError, match="nested more than 200 levels"):
        parse(f"let f0(x) = x, {', '.join(names)} in f119(m)")
