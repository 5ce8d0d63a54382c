"""Errors travel: they pickle and copy with all that they say."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import novaql
from novaql.duck.problems import SqlProblem
from novaql.errors import (
    ArgumentError,
    EvaluationError,
    InputError,
    LimitExceeded,
    Located,
    NovaqlError,
    QueryCancelled,
    QueryError,
    QueryTimeout,
    StorageUnavailable,
    SyntaxProblem,
    TypeProblem,
    UnknownName,
)
from novaql.export.missing import MissingLibrary
from novaql.inputs.http.client import HttpStatus
from novaql.ledger.notes import InvalidNote
from novaql.ledger.verify import LedgerFault
from novaql.rules.problems import FileProblems, Place, Problem
from novaql.span import Span
from novaql.tsdb import errors as store

PLACE = Path("metrics/wal/1")
ERRORS: list[Exception] = [
    NovaqlError("a"),
    QueryError("no", "sum(", Span(3, 4), suggestion="close it"),
    SyntaxProblem("no", "sum(", Span(3, 4)),
    TypeProblem("no", "rate(x)", Span(5, 6)),
    UnknownName("no", "ratee(x[5m])", Span(0, 5), suggestion="did you mean rate?"),
    Located("a"),
    EvaluationError("duplicates", Span(0, 2)),
    LimitExceeded("too many", Span(0, 2)),
    ArgumentError("step", "must be greater than 0"),
    InputError("line 3"),
    HttpStatus("404 Not Found", 404, "no such page"),
    QueryTimeout("late"),
    QueryCancelled("gone"),
    StorageUnavailable("failed"),
    SqlProblem("a"),
    MissingLibrary("pandas is not installed", name="pandas"),
    LedgerFault("changed", 7),
    InvalidNote("no"),
    FileProblems([Problem("rules.yml", Place(2, 3), "no such key")]),
    store.StoreError("a"),
    store.StoreNotFound(PLACE),
    store.NotAStore(PLACE),
    store.StoreLocked(PLACE, "pid 7"),
    store.TargetInUse(PLACE, "not empty"),
    store.StoreClosed(),
    store.ReadOnly(),
    store.ForkedStore(PLACE, 7),
    store.InvalidBatch("no"),
    store.InvalidDeletion("no"),
    store.WriteFailed("no"),
    store.StorageFull("full"),
    store.ReadOnlyDisk("no"),
    store.TooManyDeletions("no"),
    store.ReadFailed("no"),
    store.Unreadable(PLACE, "page 7", OSError(5, "Input/output error")),
    store.Corrupted(PLACE, "page 7", "checksum"),
    store.UnknownFormat(PLACE, "header", "version 99"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_copy_says_the_same(error: Exception) -> None:
    if isinstance(error, Located):
        error.locate("up + on () up")
    error.add_note("seen by a test")

    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.args == error.args
        assert vars(again) == vars(error)
        assert getattr(again, "name", None) == getattr(error, "name", None)


def test_every_error_is_among_them() -> None:
    def below(kind: type[Exception]) -> set[type[Exception]]:
        own = {one for one in kind.__subclasses__() if one.__module__.startswith("novaql.")}
        return own.union(*map(below, own))

    found = {
        one
        for one in below(store.PicklableError)
        # Errors of the server do not leave its processes, nor private ones their modules.
        if ".server" not in one.__module__ and not one.__name__.startswith("_")
    }
    assert found == {type(error) for error in ERRORS}


@pytest.mark.slow
def test_a_pool_of_processes_raises_the_error_of_its_worker() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(novaql.SyntaxProblem) as caught:
            pool.submit(novaql.query, "sum(").result(timeout=120)
        assert (caught.value.line, caught.value.column, caught.value.text) == (1, 4, "sum(")
        assert pool.submit(novaql.query, "1 + 1", time=0).result(timeout=120).values.item() == 2
