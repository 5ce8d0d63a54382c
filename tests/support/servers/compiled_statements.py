"""One cache of compiled SQL for all state databases of a process.

SQLAlchemy caches what it compiled for each engine. Nearly every test of the server has an engine of
its own, whose first use of a statement takes a millisecond or more: most of the time of many tests.
Here engines share the dialect of the first, which is part of the cache's keys, and the cache.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.util import LRUCache

_MOST = 5_000
_dialects: dict[str, Dialect] = {}
_compiled: LRUCache[Any, Any] = LRUCache(_MOST)


def share_compiled_statements() -> None:
    """Let all engines that connect from now on use the cache."""
    event.listen(Engine, "engine_connect", _share)


def _share(connection: Connection) -> None:
    connection.dialect = _dialects.setdefault(connection.dialect.name, connection.dialect)
    connection.execution_options(compiled_cache=_compiled)
