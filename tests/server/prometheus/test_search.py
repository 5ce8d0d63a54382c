"""The search endpoints, and the scores that they rank by."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.server.prometheus.fuzzy import (
    ALGORITHMS,
    LONGEST_TERM,
    MOST_TERMS,
    jaro_winkler,
    scorer,
    subsequence_score,
)
from novaql.tsdb.model.source import Metadata
from tests.server.conftest import NOW_S
from tests.support.servers.http_server import LocalServer, local_server

TOO_MANY = "search[] has at most 20 terms, each of at most 200 characters"


def lines(answer: httpx.Response) -> list[Any]:
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    return [json.loads(line) for line in answer.text.splitlines()]


def names(answer: httpx.Response) -> list[str]:
    return [found["name"] for line in lines(answer)[:-1] for found in line["results"]]


def test_search_finds_names_in_batches(server: LocalServer) -> None:
    span = {"start": NOW_S - 600, "end": NOW_S}
    every = server.prometheus("search/label_names", batch_size=3, **span)
    cut = server.prometheus("search/label_names", limit=2, **span)
    form = server.client.post(
        "/api/v1/search/label_values",
        data={"label": "instance", "sort_by": "alpha", "sort_dir": "dsc", **span},
        headers=server.bearer(),
    )

    assert [len(line["results"]) for line in lines(every)[:-1]] == [3, 1]
    assert lines(every)[-1] == {"status": "success", "has_more": False}
    assert names(every) == ["__name__", "code", "instance", "job"]
    assert names(cut) == ["__name__", "code"]
    assert lines(cut)[-1]["has_more"] is True
    assert names(form) == ["b", "a"]
    late = server.prometheus("search/label_names", start=NOW_S + 9, end=NOW_S + 10)
    assert lines(late) == [{"results": []}, {"status": "success", "has_more": False}]


def test_search_tells_scores_and_metadata() -> None:
    with local_server() as server:
        for name in ("http_requests_total", "request_errors", "up"):
            server.write([({"__name__": name}, [(NOW_S * 1000, 1.0)])])
        server.store.set_metadata({"request_errors": Metadata("counter", "Errors.")})
        span = {"start": NOW_S - 1, "end": NOW_S + 1, "search[]": "request"}
        told = server.prometheus(
            "search/metric_names",
            sort_by="score",
            include_score="true",
            include_metadata=1,
            **span,
        )
        strict = server.prometheus("search/metric_names", fuzz_threshold=100, **span)
        loud = span | {"search[]": "REQUEST"}
        other = server.prometheus("search/metric_names", case_sensitive="false", **loud)

    assert lines(told)[0]["results"] == [
        {"name": "request_errors", "score": 1, "type": "counter", "help": "Errors."},
        {
            "name": "http_requests_total",
            "score": pytest.approx((49 - 5 / 19 - 7 / 38) / 49),
        },
    ]
    assert names(strict) == ["request_errors"]
    assert names(other) == ["http_requests_total", "request_errors"]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"fuzz_threshold": "101"}, 'invalid fuzz_threshold "101": must be 0-100'),
        ({"fuzz_alg": "x"}, 'unsupported fuzz_alg "x": must be one of [subsequence jarowinkler]'),
        ({"case_sensitive": "x"}, 'invalid case_sensitive "x": must be boolean'),
        ({"sort_dir": "asc"}, "sort_dir is only valid when sort_by is set"),
        ({"sort_by": "score"}, "sort_by=score requires search[] to be set"),
        ({"sort_by": "x"}, 'invalid sort_by "x" for label_values: must be "alpha" or "score"'),
        ({"limit": "-1"}, 'invalid limit "-1": must be non-negative integer'),
        ({"start": "x"}, "Invalid time value for 'start': cannot parse \"x\" to a valid timestamp"),
        ({"label": ""}, 'missing required parameter "label"'),
        ({"search[]": "x" * (LONGEST_TERM + 1)}, TOO_MANY),
        ({"search[]": ["x"] * (MOST_TERMS + 1)}, TOO_MANY),
    ],
)
def test_search_refuses(server: LocalServer, parameters: dict[str, Any], sentence: str) -> None:
    answer = server.prometheus("search/label_values", **({"label": "job"} | parameters))

    assert answer.status_code == 400
    assert answer.json()["error"] == sentence


words = st.text("abc_é", max_size=8)


@given(words.filter(bool), words)
@settings(max_examples=300, deadline=None)
def test_scores_are_between_none_and_full(term: str, text: str) -> None:
    letters = iter(text)
    in_order = all(letter in letters for letter in term)
    points = subsequence_score(term, text) if text else 0.0

    assert 0 <= points <= 1
    assert (points > 0) <= in_order
    assert (points == 1) == (term == text)
    assert 0 <= jaro_winkler(term, text) <= 1
    assert jaro_winkler(term, text) == pytest.approx(jaro_winkler(text, term))


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("a" * 199 + "b", "a" * 60_000),
        ("ab" * 100, "ab" * 30_000),
        ("ab" * 99 + "cd", "ab" * 30_000),
        ("b" + "a" * 199, "a" * 30_000 + "b" + "a" * 30_000),
    ],
)
def test_long_texts(algorithm: str, term: str, text: str) -> None:
    """A pattern of the letters with others between them would not end before the server does."""
    fuzzy = scorer([term], algorithm=algorithm, threshold=0.5, case_sensitive=True)
    points = fuzzy(text)
    assert points is None or 0.5 <= points <= 1


@given(words.filter(bool), words)
def test_a_text_without_the_letters_in_order_has_no_score(term: str, text: str) -> None:
    fuzzy = scorer([term], algorithm="subsequence", threshold=0, case_sensitive=True)
    letters = iter(text)
    if not all(letter in letters for letter in term):
        assert fuzzy(text) is None


def test_known_scores() -> None:
    assert jaro_winkler("martha", "marhta") == pytest.approx(0.9611, abs=1e-4)
    assert jaro_winkler("dixon", "dicksonx") == pytest.approx(0.8133, abs=1e-4)
    assert jaro_winkler("ab", "cd") == 0
    fuzzy = scorer(["dixon"], algorithm="jarowinkler", threshold=0.8, case_sensitive=True)
    assert [fuzzy(t) is None for t in ("dicksonx", "x dixon", "Dixon!", "other")] == [
        False,
        False,
        False,
        True,
    ]
