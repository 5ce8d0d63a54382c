"""The interface of the store for the server, in addition to `Source`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Protocol

from novaql.tsdb import (
    AppendResult,
    Batch,
    Copied,
    DeleteResult,
    Losses,
    Matcher,
    Metadata,
    SeriesExemplars,
    SeriesTable,
    Source,
)


class Store(Source, Protocol):
    """`tsdb.Database`, on disk or in memory."""

    def append(self, batch: Batch, /) -> AppendResult:
        """Store a batch. Returns when it is as durable as the sync mode guarantees."""
        ...

    def series(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int,
        end_ms: int,
        losses: Losses | None = None,
    ) -> SeriesTable:
        """Like `Source`, and the place to record damage. Without that place, damage is an error."""
        ...

    def label_names(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int,
        end_ms: int,
        losses: Losses | None = None,
    ) -> list[str]: ...

    def label_values(
        self,
        name: str,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int,
        end_ms: int,
        losses: Losses | None = None,
    ) -> list[str]: ...

    def set_metadata(self, metadata: Mapping[str, Metadata], /) -> object: ...

    def exemplars(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int = ..., end_ms: int = ..., /
    ) -> SeriesExemplars:
        """Return exemplars of a range, of series that match any of the sets of matchers."""
        ...

    def delete(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int = ..., end_ms: int = ..., /
    ) -> DeleteResult:
        """Delete samples. After the return no read finds them."""
        ...

    def clean_tombstones(self) -> int:
        """Remove deleted samples from the disk."""
        ...

    def stats(self) -> object: ...

    def flush(self) -> object: ...

    def snapshot(self, target: Path, /, *, skip_head: bool) -> Copied:
        """Copy all data to a new directory, by links if possible."""
        ...

    def close(self) -> None: ...

    @property
    def path(self) -> Path | None:
        """The directory; None in memory."""
        ...


def numeric_stats(store: Store) -> dict[str, float]:
    """Return the numeric statistics of a store, by name."""
    stats = store.stats()
    assert is_dataclass(stats)
    found = {field.name: getattr(stats, field.name) for field in fields(stats)}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
