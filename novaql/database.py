"""open(): a database as an object with queries, SQL, and files in and out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from novaql import lookups, tsdb
from novaql.api import query
from novaql.duck import session
from novaql.errors import ArgumentError, InputError, StorageUnavailable
from novaql.inputs.addresses import is_url
from novaql.inputs.database_folders import is_database
from novaql.inputs.http.client import without_credentials
from novaql.inputs.importer import ImportReport, import_into
from novaql.inputs.prometheus.folders import is_data_directory
from novaql.inputs.resolve import default_path
from novaql.language.check import did_you_mean
from novaql.lazy_exports import lazy_module
from novaql.lookups import Match
from novaql.options import Limits, NameRemoval
from novaql.query_text import QueryLike
from novaql.saving import SampleFormat, Saved, save
from novaql.timeparse import DurationLike, TimeLike
from novaql.tsdb.index.cardinality import Cardinality
from novaql.tsdb.model.source import Source
from novaql.tsdb.options import StoreOptions, Sync

if TYPE_CHECKING:
    import duckdb

    from novaql import asynchronous
    from novaql.inputs.http import servers
    from novaql.inputs.prometheus import data_directory
    from novaql.parameters import Parameters
    from novaql.result import Result
    from novaql.result_cache import ResultCache
else:
    asynchronous = lazy_module("novaql.asynchronous")
    data_directory = lazy_module("novaql.inputs.prometheus.data_directory")
    servers = lazy_module("novaql.inputs.http.servers")

MEMORY = ":memory:"
"""The path of a database in memory."""


class Database:
    """A database of metrics, or a server that has them. Use it with `with`, or `close` it.

    It is also data for `novaql.query`, and for every other function that takes data.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __novaql_source__(self) -> Source:
        return self._source

    @property
    def store(self) -> tsdb.Database:
        """The `tsdb.Database` below: `append`, `delete`, `compact` and the rest.

        Raises `StorageUnavailable` if this is a data directory of Prometheus, or a server.
        """
        if isinstance(self._source, tsdb.Database):
            return self._source
        raise StorageUnavailable(
            f"{self._name} is {self._kind}, which NovaQL only reads; `load` copies it into a "
            "database of NovaQL"
        )

    def query(
        self,
        expr: QueryLike,
        *,
        time: TimeLike | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        step: DurationLike | None = None,
        lookback: DurationLike = "5m",
        timeout: DurationLike | None = "2m",
        name_removal: NameRemoval | str = NameRemoval.DELAYED,
        left_closed: bool = False,
        limits: Limits | None = None,
        strict: bool = False,
        rollup: DurationLike | None = None,
        strict_promql: bool = False,
        cache: ResultCache | None = None,
        params: Parameters | None = None,
    ) -> Result:
        """Run `novaql.query` over this database, with the same options."""
        return query(
            expr,
            self._source,
            time=time,
            start=start,
            end=end,
            step=step,
            lookback=lookback,
            timeout=timeout,
            name_removal=name_removal,
            left_closed=left_closed,
            limits=limits,
            strict=strict,
            rollup=rollup,
            strict_promql=strict_promql,
            cache=cache,
            params=params,
        )

    async def query_async(self, expr: QueryLike, **options: Any) -> Result:
        """Run `novaql.query_async` over this database, with the options of `query`."""
        return await asynchronous.query_async(expr, self._source, **options)

    def sql(
        self,
        statement: str,
        *,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        connection: duckdb.DuckDBPyConnection | None = None,
    ) -> duckdb.DuckDBPyRelation | None:
        """Run `novaql.sql` over this database, with the same options."""
        return session.sql(
            statement, self._source, params=params, start=start, end=end, connection=connection
        )

    def metrics(
        self, *, match: Match = (), start: TimeLike | None = None, end: TimeLike | None = None
    ) -> list[str]:
        """Return the names of the metrics, sorted. See `novaql.metrics` for the arguments."""
        return lookups.metrics(self._source, match=match, start=start, end=end)

    def labels(
        self, *, match: Match = (), start: TimeLike | None = None, end: TimeLike | None = None
    ) -> list[str]:
        """Return the names of the labels, sorted."""
        return lookups.labels(self._source, match=match, start=start, end=end)

    def label_values(
        self,
        name: str,
        *,
        match: Match = (),
        start: TimeLike | None = None,
        end: TimeLike | None = None,
    ) -> list[str]:
        """Return the values of a label, sorted."""
        return lookups.label_values(name, self._source, match=match, start=start, end=end)

    def series(
        self, *, match: Match = (), start: TimeLike | None = None, end: TimeLike | None = None
    ) -> list[dict[str, str]]:
        """Return the labels of each series, sorted."""
        return lookups.series(self._source, match=match, start=start, end=end)

    def time_range(self) -> tuple[datetime, datetime] | None:
        """Return the times of the first and the last sample; see `novaql.time_range`."""
        return lookups.time_range(self._source)

    def cardinality(
        self,
        *,
        match: Match = (),
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        limit: int = 10,
    ) -> Cardinality:
        """Return the number of series, and the metrics and labels that have the most."""
        return lookups.cardinality(self._source, match=match, start=start, end=end, limit=limit)

    def load(self, data: Any, **options: Any) -> ImportReport:
        """Append every sample of files, folders, addresses or frames.

        Accepts the same data as `query`; `frame` names columns. Appends nothing if any of the data
        cannot be read. Exception: of a large stream that can be read only once, the part before the
        error remains. Raises `InputError`, and `StorageUnavailable` if the database is closed or
        opened for reading only, or a write fails.
        """
        with _store_failures():
            return import_into(self.store, data, **options)

    def save(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        match: str | Sequence[str] = (),
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        format: SampleFormat | str | None = None,
        layout: str = "long",
        strict: bool = True,
    ) -> Saved:
        """Write samples to a file, like `novaql.save`, with the same options."""
        return save(
            self._source,
            target,
            match=match,
            start=start,
            end=end,
            format=format,
            layout=layout,
            strict=strict,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a database does not pickle: open it in the other process, read-only")

    def close(self) -> None:
        """Finish writing and release the folder. A second call does nothing."""
        if isinstance(self._source, tsdb.Database):
            with _store_failures():
                self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Database({self._name!r})"

    @property
    def _name(self) -> str:
        source = self._source
        if isinstance(source, tsdb.Database):
            return str(source.path or MEMORY)
        folder = getattr(source, "folder", None)
        return repr(source) if folder is None else str(folder)

    @property
    def _kind(self) -> str:
        has_folder = hasattr(self._source, "folder")
        return "a data directory of Prometheus" if has_folder else "a server"


@contextmanager
def _store_failures() -> Iterator[None]:
    """Errors of the store become `StorageUnavailable`."""
    try:
        yield
    except tsdb.StoreError as problem:
        raise StorageUnavailable(str(problem)) from problem


def open(
    path: str | os.PathLike[str] | None = None,
    *,
    read_only: bool = False,
    token: str | None = None,
    **options: Any,
) -> Database:
    """Open the database in a folder, or create one (not with `read_only`).

    path       None: the default database (`NOVAQL_DATA`, else `./novaql-data`). ":memory:": see
               `memory`. A data directory of Prometheus is read in place, as it is now, and never
               written. The address of a Prometheus or a NovaQL is queried for each selector
    read_only  for reading beside a writer; the database does not see later writes
    token      for a server; default: `NOVA_TOKEN`, if a NovaQL requires one
    options    those of `tsdb.open`, such as `sync="always"`

    Raises `StorageUnavailable`, and `InputError` for a server.
    """
    if is_url(path):
        return _opened_server(path, token, options)
    if token is not None:
        raise ArgumentError("token", "only a server takes one")
    if path is not None and os.fspath(path) == MEMORY:
        if read_only:
            raise ArgumentError("read_only", "a database in memory is empty when it is opened")
        return memory(**options)
    place = default_path() if path is None else Path(path).expanduser()
    _check(options)
    try:
        if not is_database(place) and is_data_directory(place):
            for name in options:
                raise ArgumentError(name, f"{place} is a data directory of Prometheus, only read")
            return Database(data_directory.DataDirectory(place))
        return Database(tsdb.open(place, read_only=read_only, **options))
    except tsdb.NotAStore as problem:
        hint = "; novaql.query reads files, and Database.load imports them"
        raise StorageUnavailable(f"{problem}{hint}") from problem
    except (tsdb.StoreError, OSError) as problem:
        where = "" if str(place) in str(problem) else f"{place}: "
        raise StorageUnavailable(f"{where}{problem}") from problem


def _opened_server(url: str, token: str | None, options: Mapping[str, Any]) -> Database:
    for name in options:
        raise ArgumentError(name, "a server is only read")
    source = servers.server_source(url, token=token)
    if source is None:
        raise InputError(
            f"{without_credentials(url)[0]}: this is neither a Prometheus nor a NovaQL; "
            "`query` reads pages of metrics"
        )
    return Database(source)


def memory(**options: Any) -> Database:
    """Return an empty database in memory.

    options  fields of `tsdb.StoreOptions`, such as `cache_bytes=0`
    """
    _check(options)
    return Database(tsdb.memory(**options))


def _check(options: Mapping[str, Any]) -> None:
    """Raise `ArgumentError` for an option that `tsdb.open` does not take."""
    known = (*(field.name for field in fields(StoreOptions)), "disk")
    for name in options.keys() - set(known):
        close = did_you_mean(name, known) or "see novaql.tsdb.StoreOptions"
        raise ArgumentError(name, f"is no option of a database, {close}")
    checked = {name: value for name, value in options.items() if name != "disk"}
    sync = checked.get("sync")
    modes = [mode.value for mode in Sync]
    if sync is not None and sync not in modes:
        *others, last = map(repr, modes)
        raise ArgumentError("sync", f"is {', '.join(others)} or {last}, not {sync!r}")
    try:
        StoreOptions(**checked)
    except ValueError as problem:
        name, _, message = str(problem).partition(" ")
        raise ArgumentError(name, message) from problem
