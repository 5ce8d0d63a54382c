"""The names that programs rely on. Adding one is a line here; losing one is a decision."""

from __future__ import annotations

import inspect
import tomllib

import novaql
from novaql import tsdb
from tests.support.repository.files import ROOT

NOVAQL = {
    "ArgumentError",
    "Cancellation",
    "Cardinality",
    "Database",
    "EvaluationError",
    "InputError",
    "LimitExceeded",
    "Limits",
    "NameRemoval",
    "NovaqlError",
    "QueryCancelled",
    "QueryError",
    "QueryOptions",
    "QueryTimeout",
    "Result",
    "ResultKind",
    "StorageUnavailable",
    "__version__",
    "cardinality",
    "evaluate",
    "explain",
    "format",
    "frame",
    "label_values",
    "labels",
    "memory",
    "metrics",
    "open",
    "parse",
    "query",
    "series",
    "time_range",
    "warmup",
}


def test_names_of_novaql() -> None:
    assert set(vars(novaql)["__all__"]) >= NOVAQL
    assert [name for name in vars(novaql)["__all__"] if not hasattr(novaql, name)] == []


def test_arguments_of_query() -> None:
    parameters = inspect.signature(novaql.query).parameters
    wanted = ["expr", "data", "time", "start", "end", "step", "lookback", "timeout"]

    assert wanted == list(parameters)[: len(wanted)]
    assert [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY][:1] == ["time"]


def test_names_of_the_store() -> None:
    assert set(vars(tsdb)["__all__"]) >= {
        "Batch",
        "Database",
        "SeriesTable",
        "Source",
        "memory",
        "open",
    }
    assert [name for name in vars(tsdb)["__all__"] if not hasattr(tsdb, name)] == []


def test_versions_agree() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert declared == novaql.__version__


def test_types_are_shipped() -> None:
    for house in ("novaql", "tsdb"):
        assert (ROOT / house / "py.typed").is_file(), house
