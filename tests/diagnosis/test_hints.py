"""Infos of empty answers: what was asked in vain, what is near, and where the data is."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from novaql import query, tsdb
from novaql.diagnosis.selectors import why_selector
from novaql.inputs.resolve import as_source
from novaql.language import parse_core
from novaql.language.ast import VectorSelector
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.source import Source

RANGE = "the data has samples from 1970-01-01T00:00:00Z to 1970-01-01T00:09:00Z"
MINUTES = 10


def _store() -> tsdb.Database:
    labels = [{"__name__": "req_total", "job": job} for job in ("api", "web")]
    store = tsdb.memory()
    store.append(
        tsdb.Batch(
            SeriesTable.from_dicts(labels),
            np.repeat([0, 1], MINUTES),
            np.tile(np.arange(MINUTES) * 60_000, 2),
            np.arange(20.0),
        )
    )
    return store


def _frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": np.tile(np.arange(MINUTES) * 60, 2),
            "value": np.arange(20.0),
            "__name__": "req_total",
            "job": np.repeat(["api", "web"], MINUTES),
        }
    )


DATA = pytest.mark.parametrize("data", [_store(), _frame()], ids=["store", "frame"])


def infos(text: str, data: Any, **times: Any) -> list[str]:
    """What the infos of an empty answer say."""
    result = query(text, data, **(times or {"time": 540}))
    assert len(result) == 0
    return [info.removeprefix("NovaQL info: ") for info in result.infos]


@DATA
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nope_total", "there is no metric nope_total; did you mean req_total? (1:1)"),
        (
            "sum(rate(req_totals[5m]))",
            "there is no metric req_totals; did you mean req_total? (1:10)",
        ),
        (
            'req_total{job="apj"}',
            'job=\'apj\' removes all series: values are "api", "web"; '
            'did you mean job="api"? (1:1)',
        ),
        (
            'req_total{jobs="api"}',
            "jobs='api' removes all series: none has the label jobs; did you mean job? (1:1)",
        ),
        (
            "1 + absent(b) + reg_total",
            "there is no metric reg_total; did you mean req_total? (1:17)",
        ),
        ("req_tota unless b", "there is no metric req_tota; did you mean req_total? (1:1)"),
        (
            "max_over_time(req_total[1m:10s] offset 1h)",
            "the series have no samples between 1969-12-31T23:03:00Z and 1969-12-31T23:09:00Z "
            "(1:15)",
        ),
    ],
)
def test_a_selector_that_finds_nothing(data: Any, text: str, said: str) -> None:
    assert infos(text, data) == [said, RANGE]


@DATA
def test_times_without_data(data: Any) -> None:
    said = "the series have no samples between 1970-01-01T02:41:40Z and 1970-01-01T02:46:40Z (1:1)"

    assert infos("req_total", data, time=10_000) == [said, RANGE]
    (first, second) = infos("req_total", data, start=10_000, end=20_000, step=60)
    assert "1970-01-01T05:33:20Z" in first
    assert second == RANGE


@DATA
@pytest.mark.parametrize("sign", ["", "-"])
def test_times_beyond_those_of_samples(data: Any, sign: str) -> None:
    far = f"req_total @ {sign}9223372036854775 offset {'' if sign else '-'}290y"
    (first, second) = infos(far, data)
    assert first.startswith("the series have no samples between ")
    assert second == RANGE


@DATA
def test_an_answer_that_is_filtered_empty(data: Any) -> None:
    more = (
        "; novaql.why_empty, or novaql why-empty in a shell, finds the part of the query that "
        "removes them"
    )

    assert infos("req_total > 100", data) == [RANGE + more]


def test_no_data_at_all() -> None:
    assert infos("req_total", tsdb.memory()) == ["the data has no samples"]


@DATA
@pytest.mark.parametrize("text", ["req_total", "1 + 1", "vector(1)", "'text'", "absent(nope)"])
def test_other_answers_have_no_infos(data: Any, text: str) -> None:
    assert query(text, data, time=540).infos == ()


@pytest.mark.slow
def test_at_most_three_of_the_first_twenty_selectors_are_named() -> None:
    few = infos(" or ".join(f"nope_{n}" for n in range(5)), _store())
    late = infos(" or ".join([*["req_total > 100"] * 20, "nope"]), _store())
    many = infos(" or ".join(["nope"] * 3000), _store())

    assert [len(few), len(late), len(many)] == [4, 1, 4]


def test_damaged_data_has_its_answer_without_infos() -> None:
    source = as_source(_frame())

    class Broken:
        def __getattr__(self, name: str) -> Any:
            if name == "time_range":
                return self.fails
            return getattr(source, name)

        def fails(self) -> None:
            raise OSError("gone")

    assert query("nope", Broken(), time=540).infos == ()


def test_series_without_names_are_selected_by_labels() -> None:
    unnamed = _frame().drop(columns="__name__")

    assert infos("value", unnamed)[0] == (
        'there is no metric value: no series has a name; select them by labels: {job="api"} (1:1)'
    )


def test_a_source_without_known_times_is_not_asked() -> None:
    source = as_source(_frame())

    class Server:
        def __getattr__(self, name: str) -> Any:
            if name == "time_range":
                raise AttributeError(name)
            return self.asked if name == "label_values" else getattr(source, name)

        def asked(self, *_: Any) -> None:
            pytest.fail("a server is asked for what the query does not need")

    (info,) = infos("nope", Server())
    assert info.endswith("why-empty in a shell, finds the part of the query that has no data")
    assert query("req_total", Server(), time=540).infos == ()
    assert query("absent(nope)", Server(), time=540).infos == ()


@pytest.mark.parametrize(
    ("count", "more"), [(1, ": the only one is m0"), (5, ": there are m0, m1, m2, m3, m4"), (6, "")]
)
def test_few_metrics_are_listed_if_none_is_near(count: int, more: str) -> None:
    frame = pd.DataFrame({"time": [0, 60], **{f"m{n}": [1.0, 2.0] for n in range(count)}})

    assert infos("elsewhere", frame)[0] == f"there is no metric elsewhere{more} (1:1)"
    assert infos("m", frame)[0].startswith("there is no metric m; did you mean m0")


def test_names_and_values_are_as_a_selector_writes_them() -> None:
    frame = pd.DataFrame(
        {"time": [0, 0], "value": [1.0, 2.0], "__name__": "m", "a b": ['x "1"', "line\nfeed"]}
    )

    assert infos('{__name__="m", "a b"=\'x "2"\'}', frame, time=0)[0].endswith(
        r'removes all series: values are "line\nfeed", "x \"1\""; '
        r'did you mean "a b"="x \"1\""? (1:1)'
    )


def test_a_missing_value_does_not_merge_the_label_sets_of_the_metric() -> None:
    """A merge of 200 000 label sets took a second, for each part of the selector."""
    store = _store()
    source = as_source(store)

    class WithoutSeries:
        def __getattr__(self, name: str) -> Any:
            assert name != "series", "label sets are merged"
            return getattr(source, name)

    selector = parse_core('req_total{job="db"}')
    assert isinstance(selector, VectorSelector)
    found = why_selector(cast(Source, WithoutSeries()), selector, 0, 540_000)
    assert found.suggestions == ()
    assert found.message == 'job=\'db\' removes all series: values are "api", "web"'
