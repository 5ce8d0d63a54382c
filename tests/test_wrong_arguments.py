"""Wrong arguments of the Python API: an `ArgumentError` names the argument and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import novaql
from novaql import ArgumentError


def rejected(call: Callable[[], object]) -> str:
    with pytest.raises(ArgumentError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_cardinality_of_nothing(limit: int) -> None:
    with novaql.memory() as database:
        database.load({"time": [1], "up": [1.0]})
        message = rejected(lambda: database.cardinality(limit=limit))
    assert message == "limit: must be greater than 0"


def test_data_in_place_of_the_options_of_a_plan() -> None:
    database: Any = novaql.memory()
    expected = "options: is of query_options(…), this is Database"
    assert rejected(lambda: novaql.explain("up", database)) == expected
    assert rejected(lambda: novaql.explain_nodes("up", database)) == expected


def test_a_form_of_queries_that_there_is_not() -> None:
    style: Any = "fancy"
    assert rejected(lambda: novaql.format("up", style=style)) == (
        "style: is either 'nested' or 'pipes'"
    )
    assert rejected(lambda: novaql.format("up", width=0)) == "width: must be greater than 0"


def test_a_layout_that_there_is_not() -> None:
    layout: Any = "tall"
    result = novaql.query("1")
    assert rejected(lambda: result.arrow(layout=layout)) == "layout: is either 'long' or 'wide'"


def test_limits_and_caches_of_other_types() -> None:
    limits: Any = {"samples": 10}
    cache: Any = True
    assert rejected(lambda: novaql.query("1", limits=limits)) == (
        "limits: is a novaql.Limits(…), this is dict"
    )
    assert rejected(lambda: novaql.query("1", cache=cache)) == (
        "cache: is a novaql.ResultCache(…), this is bool"
    )


def test_data_in_place_of_the_name_of_a_label() -> None:
    database: Any = novaql.memory()
    assert rejected(lambda: novaql.label_values(database, "job")) == (
        "name: is a text; the data comes behind it"
    )


def test_options_of_a_database(tmp_path: Path) -> None:
    assert rejected(lambda: novaql.open(tmp_path / "a", sync="sometimes")) == (
        "sync: is 'always', 'interval' or 'os', not 'sometimes'"
    )
    for call in (
        lambda: novaql.open(tmp_path / "a", cache_byte=0),
        lambda: novaql.memory(cache_byte=0),
    ):
        assert (
            rejected(call) == 'cache_byte: is no option of a database, did you mean "cache_bytes"?'
        )
    assert rejected(lambda: novaql.memory(cache_bytes=-1)) == (
        "cache_bytes: must not be negative, but is -1"
    )
    assert not (tmp_path / "a").exists()


def test_a_file_without_a_suffix(tmp_path: Path) -> None:
    with novaql.memory() as database:
        message = rejected(lambda: database.save(tmp_path / "samples"))
    assert message == (
        "format: the path has no suffix; name one of parquet, arrow, csv, openmetrics, text, "
        "json-lines"
    )
