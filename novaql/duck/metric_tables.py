"""The tables of a source that a statement names: all samples, series, metadata, one a metric."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import duckdb

from novaql.duck import places
from novaql.duck.dataset import SampleDataset
from novaql.duck.problems import SqlProblem
from novaql.duck.tables import metrics_table, series_table
from novaql.duck.tokens import Token
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.source import Source

SAMPLES, SERIES, METRICS = "samples", "series", "metrics"
TABLES = (SAMPLES, SERIES, METRICS)
MOST_LISTED = 500
_EVERY_TABLE = """
    SELECT catalog, schema, name, NOT internal AND (
        catalog = 'temp'
        OR (catalog = current_database() AND list_contains(current_schemas(true), schema))
    )
    FROM (
        SELECT database_name AS catalog, schema_name AS schema, table_name AS name, internal
        FROM duckdb_tables()
        UNION ALL
        SELECT database_name, schema_name, view_name, internal FROM duckdb_views()
    )
"""
_MAKES_TABLES = {"CREATE", "ALTER", "ATTACH", "EXECUTE", "IMPORT"}
_CATALOGS = {"information_schema", "duckdb_tables", "duckdb_views", "sqlite_master", "pg_tables"}


class MetricTables:
    """Tables of a source, made when a statement names them.

    DuckDB finds them as it finds variables of Python: after the tables of the connection, and only
    while the statement is bound, so the connection retains none of them.

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
        self, statement: Sequence[Token], used: Mapping[str, Any], named: Collection[str]
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The tables that the catalog must have while a statement runs, and notes on those that are
        left out: the statement lists it, DuckDB does not look for variables, or the statement
        spells a table in two ways, which only the catalog takes.

        used   what `used` returned for the words of the statement
        named  the words in the place of a table
        """
        first = {folded(word) for word in named}
        used = {w: each for w, each in used.items() if w in named or folded(w) not in first}
        spelled: dict[str, list[Any]] = {}
        for word, table in used.items():
            spelled.setdefault(folded(word), []).append(table)
        apart = {name for name, each in spelled.items() if any(one is not each[0] for one in each)}
        names = {(token.name or "").lower() for token in statement}
        shown = set().union(*map(places.shown, places.statements_of(statement)))
        if "TABLES" in shown or not _CATALOGS.isdisjoint(names):
            return self._listed(used, apart)
        twice = any(len(spelled[name]) > 1 for name in first & spelled.keys())
        if not used or not (twice or shown or not self.found):
            return {}, []
        taken = self._own_tables() | apart
        return {name: each[0] for name, each in spelled.items() if name not in taken}, []

    def check_unqualified(self, tokens: Sequence[Token], names: Collection[str]) -> None:
        """Raise `SqlProblem` if statements look for tables in a schema where they are not.

        names  of tables that the schemas of the connection do not have
        """
        for statement in places.statements_of(tokens):
            for name in places.qualified_names(statement):
                *_, schema, table = (token.name or "" for token in name)
                if table in names and (folded(schema), folded(table)) not in self._places():
                    raise SqlProblem(
                        f"there is no table {'.'.join(token.text for token in name)}; write "
                        f"{name[-1].text} without a schema for the table of the data"
                    )
            if statement[0].text.upper() in _MAKES_TABLES:  # of which the others may be
                return

    def _listed(
        self, used: Mapping[str, Any], ambiguous: Collection[str]
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Tables for the catalog; of tables that differ only in case, the one that is used."""
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
        # Not by `execute`, which discards an unfinished answer of the caller.
        ((found,),) = self._connection.sql(f"SELECT {wanted}").fetchall()
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
        """The tables of the connection that names without a schema find."""
        rows = self._connection.sql(_EVERY_TABLE).fetchall()
        return {folded(name) for *_, name, found in rows if found}

    def _places(self) -> set[tuple[str, str]]:
        """(schema, table) and (database, table) of all tables of the connection."""
        rows = self._connection.sql(_EVERY_TABLE).fetchall()
        return {(folded(of), folded(name)) for *above, name, _ in rows for of in above}


def check_apart(
    tables: Mapping[str, Any], variables: Mapping[str, Any], named: Collection[str]
) -> None:
    """Raise `SqlProblem` if words in the place of a table name two that are one name for DuckDB."""
    every = {**variables, **tables}
    seen: dict[str, str] = {}
    for word in sorted(word for word in named if word in every):
        other = seen.setdefault(folded(word), word)
        if every[other] is every[word] or not (other in tables or word in tables):
            continue
        apart = f'the names "{other}" and "{word}" differ in case only, which SQL ignores'
        if other in tables and word in tables:
            raise SqlProblem(f"{apart}: write promql('{other}') for one of these metrics")
        variable = other if word in tables else word
        raise SqlProblem(f"{apart}: rename the variable {variable}")


def can_scan(variable: Any) -> bool:
    """Whether a variable is a table for DuckDB, which determines it."""
    if isinstance(variable, duckdb.DuckDBPyRelation):  # belongs to its connection
        return True
    with duckdb.connect() as connection:
        work = partial(connection.sql, "FROM variable")
        try:
            eval("work()", {"variable": variable, "work": work})  # noqa: S307 - a constant
        except duckdb.Error:
            return False
    return True


def folded(name: str) -> str:
    """A name as DuckDB compares it: only letters of ASCII have no case."""
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
