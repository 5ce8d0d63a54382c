"""The tables of a source that a statement names: all samples, series, metadata, one a metric."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import duckdb

from novaql.duck.dataset import SampleDataset
from novaql.duck.problems import SqlProblem
from novaql.duck.tables import metrics_table, series_table
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.source import Source

SAMPLES, SERIES, METRICS = "samples", "series", "metrics"
TABLES = (SAMPLES, SERIES, METRICS)
MOST_LISTED = 500
_CATALOGS = {"information_schema", "duckdb_tables", "duckdb_views", "sqlite_master", "pg_tables"}


class MetricTables:
    """Tables of a source, made when a statement names them.

    DuckDB finds them as it finds variables of Python: after the tables of the connection, and only
    while the statement is bound, so that nothing of them stays in the connection.

    names  of all of them
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, source: Source, window: tuple[int, int]
    ) -> None:
        self._connection = connection
        self._source = source
        self._window = window
        metrics = sorted(set(source.label_values(METRIC_NAME, [], *window)) - set(TABLES))
        self.names: Sequence[str] = [*TABLES, *metrics]

    def used(self, words: Collection[str]) -> dict[str, Any]:
        """The tables that words of a statement name: word → table.

        A word names what is spelled like it. As names in SQL have no case, other words name what
        differs in case only, if that is one table; samples, series and metrics come first.
        """
        exact = set(self.names)
        others = {folded(word) for word in words if word not in exact}
        alike: dict[str, list[str]] = {}
        for name in self.names:
            if folded(name) in others:
                alike.setdefault(folded(name), []).append(name)
        found = {}
        for word in words:
            named = [word] if word in exact else alike.get(folded(word), [])
            if len(named) == 1 or (named and named[0] in TABLES):
                found[word] = named[0]
        made = {name: self._table(name) for name in found.values()}
        return {word: made[name] for word, name in found.items()}

    def views(
        self, words: Collection[str], used: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The tables that the catalog must have while a statement runs, and notes on those that are
        left out: the statement lists it, DuckDB does not look for variables, or the statement
        spells a table in two ways, which only the catalog takes.

        used  what `used` returned for the words
        """
        upper = {word.upper() for word in words}
        spelled: dict[str, dict[int, Any]] = {}
        for word, table in used.items():
            spelled.setdefault(folded(word), {})[id(table)] = table
        if {"SHOW", "TABLES"} <= upper or not _CATALOGS.isdisjoint(map(str.lower, words)):
            return self._listed(used, ambiguous={n for n, each in spelled.items() if len(each) > 1})
        if "SHOW" not in upper and self.found and len(spelled) == len(used):
            return {}, []
        taken = self._own_tables()
        return {
            name: table
            for name, (table, *others) in ((n, each.values()) for n, each in spelled.items())
            if name not in taken and not others
        }, []

    def _listed(
        self, used: Mapping[str, Any], ambiguous: Collection[str]
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Tables for the catalog, of those that differ in case the one that is used."""
        taken = self._own_tables().union(ambiguous)
        ours = set(ambiguous)
        listed: dict[str, Any] = {}
        notes = []
        shown = [*TABLES, *[name for name in self.names if name in used]]
        shown += self.names[len(TABLES) : len(TABLES) + MOST_LISTED]
        for name in dict.fromkeys(shown):
            if folded(name) not in taken:
                listed[name] = self._table(name)
                taken.add(folded(name))
                ours.add(folded(name))
            elif folded(name) in ours:
                notes.append(("info", f"{name} is not listed: another differs in case only"))
        metrics = len(self.names) - len(TABLES)
        if metrics > MOST_LISTED:
            where = f"{METRIC_NAME} of {SERIES} has all"
            notes.append(("info", f"{MOST_LISTED} of {metrics} metrics are listed; {where}"))
        return listed, notes

    @cached_property
    def found(self) -> bool:
        """Whether DuckDB finds variables: settings of a connection can forbid it."""
        names = ("enable_external_access", "python_enable_replacements")
        wanted = " AND ".join(f"current_setting('{name}')" for name in names)
        ((found,),) = self._connection.execute(f"SELECT {wanted}").fetchall()
        return bool(found)

    @cached_property
    def _samples(self) -> SampleDataset:
        return SampleDataset(self._source, *self._window)

    def _table(self, name: str) -> Any:
        if name == SAMPLES:
            return self._samples
        if name == SERIES:
            return series_table(self._samples)
        if name == METRICS:
            return metrics_table(self._source)
        samples: Any = self._samples  # the stubs know no subclass of a data set
        text = name.replace("'", "''")
        rows = self._connection.from_arrow(samples).filter(f"{METRIC_NAME} = '{text}'")
        return rows.project(f"* EXCLUDE ({METRIC_NAME})")

    def _own_tables(self) -> set[str]:
        rows = self._connection.execute(
            "SELECT table_name FROM duckdb_tables() "
            "UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
        )
        return {folded(name) for (name,) in rows.fetchall()}


def check_apart(
    tables: Mapping[str, Any], variables: Mapping[str, Any], words: Collection[str]
) -> None:
    """Raise `SqlProblem` if words name two tables that are one name for DuckDB."""
    every = {**variables, **tables}
    named: dict[str, str] = {}
    for word in sorted(word for word in words if word in every):
        other = named.setdefault(folded(word), word)
        if every[other] is not every[word] and (other in tables or word in tables):
            raise SqlProblem(
                f'the names "{other}" and "{word}" differ in case only, which SQL ignores: '
                f"write promql('{other}') for one of these metrics"
            )


def folded(name: str) -> str:
    """A name as DuckDB compares it: only letters of ASCII have no case."""
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
