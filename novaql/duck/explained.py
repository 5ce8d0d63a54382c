"""Errors of DuckDB, in terms of the tables of a source."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import duckdb

from novaql.diagnosis.nearest import nearest
from novaql.duck.metric_tables import folded
from novaql.duck.problems import SqlProblem

_NO_BASE_TABLE = re.compile(r"can only [\w ]+ base table", re.I)
_MISSING = re.compile(
    r'Table with name (?P<name>.+?) does not exist!(?:\nDid you mean "(?P<near>[^"]*)"\?)?'
)


def explained(problem: duckdb.Error, names: Sequence[str], lost: Collection[str]) -> SqlProblem:
    """The error to raise.

    names  of the tables of the source
    lost   those that the statement must not use, because it makes what remains without them
    """
    text = str(problem)
    found = _MISSING.search(text)
    if found is None:
        if _NO_BASE_TABLE.search(text):
            text += "\nMetrics are read-only; CREATE TABLE … AS copies their rows."
        return SqlProblem(text)
    name = found["name"]
    if name in lost:
        return SqlProblem(
            f"a view or macro cannot use {name}, which is a table of one statement only: copy its "
            f"rows by CREATE TABLE … AS"
        )
    if name in names:  # reads find it
        return SqlProblem(
            f"{name} is a table of metrics, which are read-only; CREATE TABLE … AS copies its rows"
        )
    alike = [f'"{one}"' for one in names if folded(one) == folded(name)]
    if len(alike) > 1:
        hint = f"{', '.join(alike)} differ in case only: write one of these, with quotes"
    else:
        near = nearest(name, [*filter(None, [found["near"]]), *names], 1)
        hint = f'Did you mean "{near[0]}"?' if near else "SHOW TABLES lists what exists."
    return SqlProblem(text.replace(found[0], f"Table with name {name} does not exist!\n{hint}"))
