"""A store whose appends can be made to fail."""

from __future__ import annotations

from typing import Any

from novaql.tsdb.errors import WriteFailed
from novaql.tsdb.model.samples import Batch


class FailingAppends:
    """Appends fail while `fails` is true; all other calls reach the store."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.fails = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, batch: Batch, /) -> object:
        if self.fails:
            raise WriteFailed("no space")
        found: object = self._store.append(batch)
        return found
