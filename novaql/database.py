"""open(): a database as an object with queries, SQL, and files in and out."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from novaql import tsdb
from novaql.api import query
from novaql.duck import session
from novaql.errors import StorageUnavailable
from novaql.inputs.importer import ImportReport, import_into
from novaql.inputs.resolve import default_path
from novaql.query_text import QueryLike
from novaql.saving import Saved, save

if TYPE_CHECKING:
    import duckdb

    from novaql.result import Result


class Database:
    """A database of metrics. Use it with `with`, or `close` it.

    store  the `tsdb.Database` below: `append`, `delete`, `compact` and the rest
    """

    def __init__(self, store: tsdb.Database) -> None:
        self.store = store

    def query(self, expr: QueryLike, **options: Any) -> Result:
        """Run `novaql.query` over this database, with the same options."""
        return query(expr, self.store, **options)

    def sql(self, statement: str, **options: Any) -> duckdb.DuckDBPyRelation | None:
        """Run `novaql.sql` over this database, with the same options."""
        return session.sql(statement, self.store, **options)

    def load(self, data: Any, **options: Any) -> ImportReport:
        """Append every sample of files, folders, addresses or frames.

        Accepts the same data as `query`. Appends nothing if any of it cannot be read. Raises
        `InputError`.
        """
        return import_into(self.store, data, **options)

    def save(self, target: str | os.PathLike[str] | BinaryIO, **options: Any) -> Saved:
        """Write samples to a file, like `novaql.save`, with the same options."""
        return save(self.store, target, **options)

    def close(self) -> None:
        """Finish writing and release the folder. A second call does nothing."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open(
    path: str | os.PathLike[str] | None = None, *, read_only: bool = False, **options: Any
) -> Database:
    """Open the database in a folder, or create one (not with `read_only`).

    path       None: the default database (`NOVAQL_DATA`, else `./novaql-data`)
    read_only  for reading beside a writer; the database does not see later writes
    options    those of `tsdb.open`, such as `sync="always"`

    Raises `StorageUnavailable`.
    """
    place = default_path() if path is None else Path(path).expanduser()
    try:
        return Database(tsdb.open(place, read_only=read_only, **options))
    except tsdb.StoreError as problem:
        raise StorageUnavailable(f"{place}: {problem}") from problem
