"""What the server needs of the store, beside being a `Source`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Protocol

from tsdb.selection import Metadata, Source
from tsdb.tile import Batch


class Store(Source, Protocol):
    """`tsdb.Database`, on disk or in memory."""

    def append(self, batch: Batch, /) -> object:
        """Store a batch; returns when it is as durable as the sync mode promises."""
        ...

    def set_metadata(self, metadata: Mapping[str, Metadata], /) -> object: ...

    def stats(self) -> object: ...

    def flush(self) -> object: ...

    def close(self) -> None: ...

    @property
    def path(self) -> Path | None:
        """The directory; None in memory."""
        ...


def numeric_stats(store: Store) -> dict[str, float]:
    """The numbers among the store's statistics, by name."""
    stats = store.stats()
    assert is_dataclass(stats)
    found = {field.name: getattr(stats, field.name) for field in fields(stats)}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
