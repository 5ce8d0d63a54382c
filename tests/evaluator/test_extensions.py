"""Extensions of PromQL in queries: plans, options, infos."""

from __future__ import annotations

import pytest

from novaql import QueryError, query
from novaql.engine import evaluate, explain
from novaql.evaluator.profile import Profile
from novaql.options import NameRemoval, QueryOptions
from novaql.promqltest.script_parser import parse_script
from novaql.promqltest.storage import Storage
from novaql.tsdb.model.source import Source
from tests.support.programs.query_answers import answer_of_result

MINUTE_MS = 60_000


@pytest.fixture
def source() -> Source:
    script = parse_script(
        "load 1m\n"
        '  errors_total{job="a"} 0+6x20\n'
        '  requests_total{job="a"} 0+60x20\n'
        '  requests_total{job="b"} 0+60x20\n',
        "data",
    )
    return Storage().with_load(script.commands[0]).source()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pipes", "nested"),
    [
        ("m[5m] |> rate |> sum by (job) |> topk(5)", "topk(5, sum by (job) (rate(m[5m])))"),
        ("m |> label_replace('a', '$1', 'b', '(.*)')", "label_replace(m, 'a', '$1', 'b', '(.*)')"),
        ("let x = rate(m[5m]) in sum(x) / count(x)", "sum(rate(m[5m])) / count(rate(m[5m]))"),
        ("sum(rate(m[5m])) offset 1d", "sum(rate(m[5m] offset 1d))"),
        ("(a / b) @ 60 offset 1m", "(a @ 60 offset 1m) / (b @ 60 offset 1m)"),
        ("max_over_time(sum(m)[5m:1m]) offset 1h", "max_over_time(sum(m)[5m:1m] offset 1h)"),
        ("a if b", "a and b"),
        ("sum(x) limit 5", "limit_offset(5, 0, sum(x))"),
    ],
)
def test_plans_are_equal(pipes: str, nested: str) -> None:
    assert explain(pipes) == explain(nested)


def test_a_value_of_let_is_evaluated_once(source: Source) -> None:
    profile = Profile()
    options = QueryOptions(5 * MINUTE_MS, 10 * MINUTE_MS, MINUTE_MS)

    evaluate(
        "let e = max by (job) (requests_total) in e / (e + 1)", source, options, profile=profile
    )

    text = profile.text()
    assert text.count("Select") == 1
    assert "Shared" in text


@pytest.mark.parametrize("removal", NameRemoval)
def test_names_are_retained_beside_the_same_operation_without(
    source: Source, removal: NameRemoval
) -> None:
    options = QueryOptions(MINUTE_MS, MINUTE_MS, name_removal=removal)

    found = evaluate(
        '(abs(errors_total) keep_metric_names, label_set(abs(errors_total), "x", "y"))',
        source,
        options,
    )

    names = {dict(labels).get("__name__") for labels in answer_of_result(found)}
    assert names == {"errors_total", None}


def test_time_dependent_functions_are_shifted_as_a_whole() -> None:
    assert "Shift" in explain("(time() - x) offset 1d")


def test_functions_over_all_steps_are_shifted_as_a_whole(source: Source) -> None:
    options = QueryOptions(5 * MINUTE_MS, 10 * MINUTE_MS, MINUTE_MS)

    result = evaluate("running_sum(errors_total) @ 300", source, options)

    assert result.values.tolist() == [[30.0] * 6]


def test_automatic_windows_are_reported(source: Source) -> None:
    result = evaluate("rate(requests_total)", source, QueryOptions(10 * MINUTE_MS, 10 * MINUTE_MS))

    assert result.infos == ("NovaQL info: automatic window of 4m (1:6)",)


def test_automatic_windows_follow_the_data(source: Source) -> None:
    """The plan of a query with an automatic window is not that of other data."""
    other = parse_script("load 10s\n  requests_total 0+10x100\n", "data")
    dense = Storage().with_load(other.commands[0]).source()  # type: ignore[arg-type]
    options = QueryOptions(10 * MINUTE_MS, 10 * MINUTE_MS)

    infos = [evaluate("rate(requests_total)", data, options).infos for data in (source, dense)]

    assert [info[0].split(" (")[0][-2:] for info in infos] == ["4m", "1m"]


def test_strict_promql_refuses_extensions(source: Source) -> None:
    with pytest.raises(QueryError, match="default is an extension of NovaQL"):
        query("up default 0", source, time=600, strict_promql=True)
    with pytest.raises(QueryError, match=r"union\(\) is an extension of NovaQL"):
        query("union(up, up)", source, time=600, strict_promql=True)

    assert len(query("requests_total", source, time=600, strict_promql=True)) == 2


def test_a_cached_plan_is_refused_too(source: Source) -> None:
    query("up default 0", source, time=600)

    with pytest.raises(QueryError, match="default is an extension of NovaQL"):
        query("up default 0", source, time=600, strict_promql=True)


@pytest.mark.parametrize(
    "text",
    [
        "rate(requests_total[5m])",
        "(sort(requests_total) * 2)",
        "(requests_total + requests_total)",
    ],
)
@pytest.mark.parametrize("name_removal", ["delayed", "eager"])
def test_names_are_retained(source: Source, name_removal: str, text: str) -> None:
    retained = query(f"{text} keep_metric_names", source, time=600, name_removal=name_removal)
    dropped = query(text, source, time=600, name_removal=name_removal)

    assert [labels.get("__name__") for labels in retained.series] == ["requests_total"] * 2
    assert [labels.get("__name__") for labels in dropped.series] == [None, None]


def test_default_fills_with_histograms() -> None:
    script = parse_script(
        "load 1m\n  h {{schema:0 sum:5 count:4 buckets:[1 2 1]}}x5\n  f 1 2 _ stale 5\n",
        "data",
    )
    data = Storage().with_load(script.commands[0]).source()  # type: ignore[arg-type]

    filled = evaluate("sum(f) default sum(h)", data, QueryOptions(0, 4 * MINUTE_MS, MINUTE_MS))
    counts = evaluate(
        "histogram_count(sum(f) default sum(h))", data, QueryOptions(0, 4 * MINUTE_MS, MINUTE_MS)
    )

    assert filled.values[0].tolist() == [1, 2, 2, 0, 5]
    assert counts.points().values.tolist() == [4]
