"""Values of `$name`: what each becomes in its place, and that none is ever more than a value."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql import (
    ArgumentError,
    EvaluationError,
    QueryError,
    UnknownName,
    analyze,
    estimate,
    explain,
    explain_nodes,
    parse,
    query,
    query_async,
    tsdb,
    why_empty,
)
from novaql.language.ast import VectorSelector
from novaql.language.parse import MAX_LENGTH
from novaql.parameters import bind, bound
from novaql.span import Span
from novaql.tsdb.model.labels import SeriesTable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTS = ["a.b", "a|b", "axb", 'q"u', "{x}", "back\\slash"]


@pytest.fixture(scope="module")
def store() -> tsdb.Database:
    """A series for each host, with its number as the value."""
    table = SeriesTable.from_dicts([{"__name__": "up", "host": host} for host in HOSTS])
    count = len(HOSTS)
    store = tsdb.memory()
    rows = np.arange(count)
    store.append(tsdb.Batch(table, rows, np.zeros(count, np.int64), rows.astype(np.float64)))
    return store


@pytest.mark.parametrize(
    ("text", "value", "same"),
    [
        ("up{host=$x}", "db", 'up{host="db"}'),
        ("up{host!=$x,a='$x'}", 'a"b\n', 'up{host!="a\\"b\\n",a=\'$x\'}'),
        ("up{host=~$x}", "db.*", 'up{host=~"db.*"}'),
        ("up{host=~$x}", ["a.b", "c|d", "e", 7], 'up{host=~"a\\\\.b|c\\\\|d|e|7"}'),
        ("up{host!~$x}", ("a", "b"), 'up{host!~"a|b"}'),
        ("up{port=$x}", 8080, 'up{port="8080"}'),
        ("{__name__=$x}", "up", '{__name__="up"}'),
        ("{(a=$x or b='1'),c='2'}", "d", "{(a=\"d\" or b='1'),c='2'}"),
        ("rate(up[$x])", "5m", "rate(up[5m])"),
        ("rate(up[$x])", timedelta(minutes=90), "rate(up[1h30m])"),
        ("rate(up[$x])", 300, "rate(up[5m])"),
        ("max_over_time(up[1h:$x])", "30s", "max_over_time(up[1h: 30s])"),
        ("up offset $x", "1d", "up offset 1d"),
        ("up offset -$x", np.timedelta64(1, "h"), "up offset -1h"),
        ("up @ $x", NOON, "up @ 1772366400"),
        ("up @ $x", "2026-03-01T12:00:00.5Z", "up @ 1772366400.5"),
        ("up > $x", 1.5, "up > 1.5"),
        ("up > $x", np.float32(0.5), "up > 0.5"),
        ("up > $x", Decimal("3.5"), "up > 3.5"),
        ("$x ^ 2", Decimal("-0.10"), "(-0.1) ^ 2"),
        ("up < $x", Decimal("-Infinity"), "up < -Inf"),
        ("up < $x", Decimal("sNaN"), "up < NaN"),
        ("rate(up[$x])", Decimal(300), "rate(up[5m])"),
        ("up @ $x", Decimal("1772366400.5"), "up @ 1772366400.5"),
        ("up != $x", -1, "up != -1"),
        ("$x ^ 2", -3, "(-3) ^ 2"),
        ("2-$x", -3, "2--3"),
        ("up < $x", float("inf"), "up < +Inf"),
        ("topk($x, up)", 3, "topk(3, up)"),
        ("time() - $x", NOON, "time() - 1772366400"),
        ("up > $x", timedelta(seconds=90), "up > 90"),
        (
            'label_replace(up, "a", $x, "b", "(.*)")',
            "$1",
            'label_replace(up, "a", "$1", "b", "(.*)")',
        ),
        ("let v = $x in up > v", 3, "let v = 3 in up > v"),
        ("up # $y and $x\n > $x", 3, "up # $y and $x\n > 3"),
    ],
)
def test_a_value_in_its_place(text: str, value: Any, same: str) -> None:
    written = bind(text, {"x": value})

    assert written == same
    parse(written)


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        ("up{host=$x}", ["a"], "params: x: is a list, which only =~ and !~ take"),
        ("up{host!=$x}", ["a"], "only =~"),
        ("up > $x", [1], "only =~"),
        ("up{host=~$x}", [], "params: x: is an empty list"),
        ("up{host=~$x}", [["a"]], "params: x: is list: a label is a text"),
        ("up{host=$x}", 1.5, "params: x: is float: a label is a text"),
        ("up{host=$x}", None, "params: x: is NoneType"),
        ("up > $x", None, "params: x: is NoneType"),
        ("up > $x", True, "params: x: is a truth value"),
        ("rate(up[$x])", "5 minutes", "params: x: '5 minutes' is not a duration"),
        ("rate(up[$x])", "5m] + up[1m", "is not a duration"),
        ("rate(up[$x])", None, "is not a duration"),
        ("up offset $x", "-1h", "is not a duration"),
        ("up @ $x", "then", "params: x: 'then' is not a time"),
        ("up", 1, r"params: the query has no \$x"),
        ("up{a='$x'}", "a", r"params: the query has no \$x"),
        ("up # $x", "a", r"params: the query has no \$x"),
        ("up + `$x`", "a", r"params: the query has no \$x"),
        (r"a\$x", "a", r"params: the query has no \$x"),
        ("up{a=~$x,b=~$x}", "a" * (MAX_LENGTH // 2), "the query gets longer than"),
    ],
)
def test_a_value_that_does_not_suit(text: str, value: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        bind(text, {"x": value})


def test_a_whole_number_may_have_too_many_digits() -> None:
    for text, number, message in (
        ("up{host=$x}", 10**5000, "is too long for a label"),
        ("up{host=~$x}", [10**5000], "is too long for a label"),
        ("up > $x", 10**401, "is too large for a 64-bit float"),
        ("up > $x", Decimal("1e400"), "is too large for a 64-bit float"),
        ("up > $x", -(10**5000), "is too large for a 64-bit float"),
        ("up offset $x", 10**401, "1000+….* is too long"),
        ("up @ $x", 10**5000, "a number of 16610 bits is outside the years"),
    ):
        with pytest.raises(ArgumentError, match=f"params: x: {message}"):
            bind(text, {"x": number})


def test_a_name_without_a_value_has_its_place() -> None:
    with pytest.raises(UnknownName) as caught:
        query("up{host=$hots}", params={"host": "a"})

    assert (caught.value.line, caught.value.column, caught.value.length) == (1, 9, 5)
    assert caught.value.sentence == 'params has no hots, did you mean "host"?'


def test_without_params_the_error_names_them() -> None:
    with pytest.raises(QueryError, match="or set it in params"):
        query("up{host=$host}")


@pytest.mark.parametrize("text", ["up$x", "5$x", "up.$x", "$x.5", r"a\b$x"])
def test_a_value_never_joins_a_word(text: str) -> None:
    with pytest.raises(QueryError):
        parse(bind(text, {"x": 5}))


@pytest.mark.parametrize("host", HOSTS)
def test_values_and_lists_match_what_they_are(store: tsdb.Database, host: str) -> None:
    one = query("up{host=$h}", store, time=0, params={"h": host})
    listed = query("up{host=~$h}", store, time=0, params={"h": [host, "no"]})
    others = query("up{host!~$h}", store, time=0, params={"h": [host]})

    assert one.series.dicts() == listed.series.dicts() == [{"__name__": "up", "host": host}]
    assert len(others) == len(HOSTS) - 1


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["=", "!="]))
def test_any_text_is_the_value_of_one_matcher(value: str, op: str) -> None:
    tree = parse(bind(f"up{{host{op}$x}}", {"x": value}))

    assert isinstance(tree, VectorSelector)
    assert [(m.name, m.value) for m in tree.matchers if m.name == "host"] == [("host", value)]


@given(st.floats())
def test_any_number_is_itself(value: float) -> None:
    result = query("$x * 1", params={"x": value}, time=0)

    assert np.array_equal(result.values, [[value]], equal_nan=True)


@pytest.mark.parametrize(
    "convert",
    [np.array, pd.Series, pl.Series, pa.array],
    ids=["numpy", "pandas", "polars", "arrow"],
)
def test_columns_of_other_libraries_are_lists(
    store: tsdb.Database, convert: Callable[[list[str]], Any]
) -> None:
    hosts = convert(sorted(HOSTS)[:2])

    result = query("up{host=~$h}", store, time=0, params={"h": hosts})

    assert sorted(one["host"] for one in result.series.dicts()) == sorted(HOSTS)[:2]
    with pytest.raises(ArgumentError, match="params: h: is a list, which only =~ and !~ take"):
        query("up{host=$h}", store, params={"h": hosts})
    with pytest.raises(ArgumentError, match="params: h: is an empty list"):
        query("up{host=~$h}", store, params={"h": convert([])})


@pytest.mark.parametrize("params", [["host"], "host", 5])
def test_params_are_a_mapping(params: Any) -> None:
    with pytest.raises(ArgumentError, match="params: is a mapping of names to values"):
        query("up{host=$host}", params=params)


LONG = {"rooms": ["attic", "cellar"], "least": 20}
WRITTEN = "up{host=~$rooms} > $least\n  and rat(up[5m])"


def test_errors_of_the_text_show_the_text_as_written() -> None:
    for ask in (
        lambda: query(WRITTEN, params=LONG),
        lambda: asyncio.run(query_async(WRITTEN, params=LONG)),
        lambda: analyze(WRITTEN, params=LONG),
        lambda: estimate(WRITTEN, params=LONG),
        lambda: why_empty(WRITTEN, params=LONG),
        lambda: explain(WRITTEN, params=LONG),
        lambda: explain_nodes(WRITTEN, params=LONG),
    ):
        with pytest.raises(UnknownName) as caught:
            ask()
        problem = pickle.loads(pickle.dumps(caught.value))
        assert (problem.line, problem.column, problem.length) == (2, 7, 3)
        assert problem.text == WRITTEN
        assert str(problem).endswith("  and rat(up[5m])\n      ^^^")


def test_an_error_in_a_value_shows_its_name(store: tsdb.Database) -> None:
    with pytest.raises(QueryError) as caught:
        query("sum(up{host=~$pattern})", store, params={"pattern": "a(long"})
    assert caught.value.explain().splitlines()[1:] == [
        "sum(up{host=~$pattern})",
        caught.value.explain().splitlines()[2],
    ]
    assert caught.value.column + caught.value.length <= len("sum(up{host=~$pattern})") + 1


def test_errors_and_infos_of_a_running_query_show_the_text_as_written(
    store: tsdb.Database,
) -> None:
    hosts = {"hosts": ["a.b", "axb"]}
    relabelled = 'label_replace(up{host=~$hosts}, "", "$1", "src", ".*")'
    with pytest.raises(EvaluationError) as caught:
        query(relabelled, store, params=hosts, time=0)
    assert (caught.value.line, caught.value.column) == (1, 33)
    assert caught.value.explain().splitlines()[1:] == [relabelled, " " * 32 + "^^"]
    found = query("sum(up{host=~$hosts}) + quantile(2, up)", store, params=hosts, time=0)
    assert found.warnings[0].endswith("(1:34)"), found.warnings
    empty = query("up{host=~$hosts} + nope", store, params=hosts, time=0)
    assert "there is no metric nope" in empty.infos[0]
    assert empty.infos[0].endswith("(1:20)")


def test_other_functions_take_params(store: tsdb.Database) -> None:
    written, host = "up{host=$host} > 10", {"host": "back\\slash"}

    assert "1 series" in analyze(written, store, params=host, time=0)
    assert estimate(written, store, params=host, time=0).series == 1
    (cause,) = why_empty(written, store, params=host, time=0).causes
    assert (cause.part, cause.start, cause.end) == (written, 0, len(written))
    (cause,) = why_empty(f"sum({written})", store, params=host, time=0).causes
    assert (cause.part, cause.column) == (written, 5)
    assert "back" in explain(written, params=host)
    places = {written[n.start : n.end]: n.column for n in explain_nodes(written, params=host)}
    assert places == {written: 1, "up{host=$host}": 1, "10": 18}
    with pytest.raises(ArgumentError, match=r"no \$host"):
        explain("up", params=host)


@given(st.lists(st.sampled_from(["$a", "$b", " + ", "up", "\n", "(", "{host=$b}"]), max_size=12))
def test_places_outside_of_values_are_those_of_the_same_characters(pieces: list[str]) -> None:
    written = "".join(pieces)
    values = {name: value for name, value in (("a", 1234), ("b", "x")) if f"${name}" in written}
    try:
        query_ = bound(written, values)
    except (ArgumentError, UnknownName):  # $aup
        return
    for position, character in enumerate(query_.text):
        place = Span(position, position + 1)
        inside = [old for new, old in query_.values if new.start <= position < new.end]
        found = query_.span(place)
        if inside:
            assert found == inside[0]
        else:
            assert written[found.start : found.end] == character
