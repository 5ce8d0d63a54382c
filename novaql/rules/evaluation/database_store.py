"""Rules over a database: they read it and write into it."""

from __future__ import annotations

from typing import Protocol

from novaql.errors import EvaluationError, StorageUnavailable
from novaql.tsdb.errors import StoreError
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Source
from novaql.tsdb.options import AppendResult


class Appendable(Source, Protocol):
    """A source to which batches can be appended: `tsdb.Database`."""

    def append(self, batch: Batch, /) -> AppendResult: ...


class DatabaseStore:
    """A `RuleStore` over a database."""

    def __init__(self, database: Appendable) -> None:
        self.database = database

    def source(self) -> Source:
        return self.database

    def write(self, batch: Batch) -> None:
        """Append samples; one with the same series and time replaces the earlier one."""
        try:
            result = self.database.append(batch)
        except StoreError as problem:
            raise StorageUnavailable(f"writing the result failed: {problem}") from problem
        if result.rejected:
            raise EvaluationError(f"{result.rejected} samples are older than the store takes")
