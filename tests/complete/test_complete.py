"""Completion at every kind of place; the cursor is where `|` stands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql import tsdb
from novaql.complete import Completion, Kind, complete
from novaql.complete.context import Place, situation
from novaql.complete.ranking import best
from novaql.language import AGGREGATORS, FUNCTIONS, parse
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata


@pytest.mark.parametrize(
    ("text", "place", "typed"),
    [
        ("|", Place.EXPRESSION, ""),
        ("ra|", Place.EXPRESSION, "ra"),
        ("sum(ra|", Place.EXPRESSION, "ra"),
        ("sum by (jo|", Place.GROUPING, "jo"),
        ("sum by (job, in|", Place.GROUPING, "in"),
        ("sum by (job) (ra|", Place.EXPRESSION, "ra"),
        ("a * ON (|", Place.GROUPING, ""),
        ("a * on (x) group_left (y) b|", Place.EXPRESSION, "b"),
        ("up{|", Place.LABEL_NAME, ""),
        ("up{jo|", Place.LABEL_NAME, "jo"),
        ('up{job="a", in|', Place.LABEL_NAME, "in"),
        ('up{job="|', Place.LABEL_VALUE, ""),
        ('up{job=~"ap|', Place.LABEL_VALUE, "ap"),
        ("up{job='ap|", Place.LABEL_VALUE, "ap"),
        ("up{job=|", Place.LABEL_VALUE, ""),
        ('up{job="a"}|', Place.OPERATOR, ""),
        ("up an|", Place.OPERATOR, "an"),
        ("up and |", Place.EXPRESSION, ""),
        ("up + |", Place.EXPRESSION, ""),
        ("rate(up[|", Place.DURATION, ""),
        ("rate(up[5|", Place.DURATION, "5"),
        ("rate(up[5m:|", Place.DURATION, ""),
        ("rate(up[5m:1|", Place.DURATION, "1"),
        ("up offset |", Place.DURATION, ""),
        ("up # so|", Place.COMMENT, ""),
        ('label_replace(up, "|', Place.TEXT, ""),
        ("(1 + 2) |", Place.OPERATOR, ""),
        ('{"a.b", |', Place.LABEL_NAME, ""),
        ("up |> ra|", Place.STAGE, "ra"),
        ("up[5m] |>|", Place.STAGE, ""),
        ("a * on (pod=ex|", Place.GROUPING, "ex"),
        ('up{a="1" or jo|', Place.LABEL_NAME, "jo"),
        ('up{(a="1" or jo|', Place.LABEL_NAME, "jo"),
        ('up{(a="1" or job="|', Place.LABEL_VALUE, ""),
        ('up{(a="1" or b="2"), jo|', Place.LABEL_NAME, "jo"),
        ('up{(a="1" or b="2")} |', Place.OPERATOR, ""),
        ("sum(up) by (job) |", Place.OPERATOR, ""),
        ("let r = rate(x) in su|", Place.EXPRESSION, "su"),
        ("with (r = x) su|", Place.OPERATOR, "su"),
        ("sum(up) @ |", Place.MOMENT, ""),
        ("sum(up) limit |", Place.NUMBER, ""),
    ],
)
def test_places(text: str, place: Place, typed: str) -> None:
    cursor = len(text) - 1
    found = situation(text.removesuffix("|"), cursor)
    assert (found.place, found.typed) == (place, typed)
    assert found.start == cursor - len(typed)


def test_what_stands_behind_the_cursor_does_not_matter() -> None:
    assert situation("sum by (jo) (up)", 10) == situation("sum by (jo", 10)


@given(st.text("ab{}()[]\"'`,=~! #\n\\1.|", max_size=40), st.integers(0, 40))
def test_any_text_has_some_place(text: str, cursor: int) -> None:
    for found in complete(text, cursor):
        assert 0 <= found.start <= found.end <= len(text)


@pytest.fixture(scope="module")
def store() -> tsdb.Database:
    labels = [
        {"__name__": "http_requests_total", "job": "api", "code": "200"},
        {"__name__": "http_requests_total", "job": "web", "code": "500"},
        {"__name__": "up", "job": "api", "a label": 'a"b'},
        {"__name__": "http.duration", "job": "api"},
    ]
    store = tsdb.memory()
    store.append(Batch(SeriesTable.from_dicts(labels), np.arange(4), np.full(4, 1000), np.ones(4)))
    store.set_metadata({"up": Metadata("gauge", "Whether it was scraped.")})
    return store


def _texts(text: str, store: tsdb.Database | None = None) -> list[str]:
    cursor = text.index("|")
    return [found.text for found in complete(text.replace("|", ""), cursor, store)]


def test_names_and_functions(store: tsdb.Database) -> None:
    assert _texts("http_r|", store) == ["http_requests_total"]
    assert _texts("sum(irat|", store) == ["irate"]
    assert _texts("ht|", store)[0] == "http_requests_total"
    assert '{"http.duration"}' in _texts("http|", store)


def test_everything_of_the_language_is_offered() -> None:
    found = {c.text for c in complete("", limit=1000)}
    assert found == set(FUNCTIONS) | set(AGGREGATORS) | {"let", "with"}
    for completion in complete("rat"):
        assert completion.kind in (Kind.FUNCTION, Kind.AGGREGATOR)
        assert completion.detail
        assert completion.doc


def test_metadata_is_told(store: tsdb.Database) -> None:
    (found,) = [c for c in complete("up", 2, store) if c.kind is Kind.METRIC]
    assert found == Completion(Kind.METRIC, "up", 0, 2, "gauge", "Whether it was scraped.")


def test_labels_of_the_metric_only(store: tsdb.Database) -> None:
    assert _texts("http_requests_total{|", store) == ["code", "job"]
    assert _texts("up{|", store) == ['"a label"', "job"]
    assert _texts("sum by (co|", store) == ["code"]


def test_values_that_the_other_matchers_leave(store: tsdb.Database) -> None:
    assert _texts('http_requests_total{code="|', store) == ["200", "500"]
    assert _texts('http_requests_total{job="api", code="|', store) == ["200"]
    assert _texts('http_requests_total{job=~"(", code="|', store) == ["200", "500"]
    assert _texts('up{"a label"="|', store) == ['a\\"b']


def test_keywords_after_an_operand() -> None:
    assert "unless" in _texts("up |")
    assert _texts("up unl|")[0] == "unless"
    assert "5m" in _texts("rate(up[|")


def test_a_completed_text_parses(store: tsdb.Database) -> None:
    text = "sum by (jo"
    (found,) = [c for c in complete(text, None, store) if c.text == "job"]
    done = text[: found.start] + found.text + text[found.end :]
    assert parse(done + ") (up)") == parse("sum by (job) (up)")


def test_a_limit_and_nothing_in_comments(store: tsdb.Database) -> None:
    assert len(complete("", 0, store, limit=5)) == 5
    assert complete("up # ra", None, store) == []


def test_stages_take_what_is_piped() -> None:
    of_ranges, of_vectors = _texts_all("up[5m] |> |"), _texts_all("up |> |")
    assert {"rate", "avg_over_time", "abs"} <= of_ranges
    assert {"sum", "topk", "label_replace"}.isdisjoint(of_ranges)
    assert {"sum", "topk", "label_replace", "histogram_quantile", "rate"} <= of_vectors
    assert {"time", "vector", "pi"}.isdisjoint(of_vectors)


def _texts_all(text: str) -> set[str]:
    return {found.text for found in complete(text.removesuffix("|"), limit=500)}


@pytest.mark.parametrize(
    ("text", "offered", "not_offered"),
    [
        (
            "up ",
            {"if", "ifnot", "default", "offset", "@", "|>"},
            {"by", "limit", "on", "bool", "in"},
        ),
        ("sum(up) ", {"by", "without", "limit", "if"}, {"keep_metric_names", "bool"}),
        ("sum by (job) (up) ", {"limit"}, {"keep_metric_names"}),
        ("sum(up) by (job) ", {"limit", "and"}, {"by", "keep_metric_names"}),
        ("rate(up[5m]) ", {"keep_metric_names"}, {"by", "limit"}),
        ("up > ", {"bool", "on", "ignoring"}, {"group_left"}),
        ("up * ", {"on", "ignoring"}, {"bool"}),
        ("up * on (job) ", {"group_left", "fill"}, {"bool", "on"}),
        ("let a = up ", {"in", "if"}, set()),
        ("let a = up, b = a in ", {"a", "b"}, {"in"}),
        ("let f(x, y) = ", {"x", "y"}, set()),
        ("with (a = up) ", set(), {"in"}),
        ('hour(up, "Europe/Ber', {"Europe/Berlin"}, {"Europe/Paris"}),
        ('start_of("', {"month", "week"}, {"Europe/Berlin"}),
        ('rollup(up[5m], "', {"min", "max", "avg"}, set()),
        ('aggr_over_time("min', {"min_over_time"}, {"quantile_over_time"}),
        ('label_replace(up, "jo', set(), {"Europe/Berlin"}),
    ],
)
def test_words_where_they_may_stand(text: str, offered: set[str], not_offered: set[str]) -> None:
    found = {c.text for c in complete(text, limit=1000)}
    assert offered <= found
    assert not found & not_offered


def test_label_names_in_texts_and_pairs(store: tsdb.Database) -> None:
    assert _texts('label_replace(up, "jo|', store) == ["job"]
    assert "code" in _texts("up * on (job=co|", store)
    assert _texts('http_requests_total{job="api" or job="web", code="|', store) == ["500"]


@given(st.lists(st.text("abAB\0İ", max_size=4), unique=True), st.text("abAİ", max_size=2))
def test_the_best_names_are_those_of_a_plain_search(names: list[str], typed: str) -> None:
    names.sort()
    plain = [name for name in names if typed.lower() in name.lower()]
    assert sorted(name for _, name in best(names, typed, 1000)) == sorted(plain)
    starts = [name for name in plain if name.lower().startswith(typed.lower())]
    few = [name for _, name in best(names, typed, 2)]
    assert len(few) == min(2, len(plain))
    assert set(few) <= set(plain)
    assert set(few) <= set(starts) or set(starts) <= set(few)
