"""NovaQL: the DuckDB of metrics. PromQL and more, over data in your process or on disk.

>>> from novaql import query
>>> query("1 + 1", time=0).values.item()
2.0

The names below are loaded when they are first used, so that `import novaql` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novaql.api import Cancellation, analyze, estimate, evaluate, explain, query, warmup
    from novaql.database import Database, open
    from novaql.duck.session import SqlProblem, sql
    from novaql.errors import (
        ArgumentError,
        EvaluationError,
        InputError,
        LimitExceeded,
        NovaqlError,
        QueryCancelled,
        QueryError,
        QueryTimeout,
        StorageUnavailable,
    )
    from novaql.inputs.frame import frame
    from novaql.language import format
    from novaql.language.parse import parse
    from novaql.options import Limits, NameRemoval, QueryOptions
    from novaql.result import Result, ResultKind
    from novaql.result_cache import ResultCache
    from novaql.saving import SampleFormat, Saved, save

__version__ = "0.1.0"

_MODULE_OF = {
    "Cancellation": "novaql.api",
    "Database": "novaql.database",
    "SampleFormat": "novaql.saving",
    "Saved": "novaql.saving",
    "SqlProblem": "novaql.duck.session",
    "analyze": "novaql.api",
    "estimate": "novaql.api",
    "evaluate": "novaql.api",
    "explain": "novaql.api",
    "open": "novaql.database",
    "query": "novaql.api",
    "save": "novaql.saving",
    "sql": "novaql.duck.session",
    "warmup": "novaql.api",
    "ArgumentError": "novaql.errors",
    "EvaluationError": "novaql.errors",
    "InputError": "novaql.errors",
    "LimitExceeded": "novaql.errors",
    "NovaqlError": "novaql.errors",
    "QueryCancelled": "novaql.errors",
    "QueryError": "novaql.errors",
    "QueryTimeout": "novaql.errors",
    "StorageUnavailable": "novaql.errors",
    "frame": "novaql.inputs.frame",
    "format": "novaql.language",
    "parse": "novaql.language",
    "Limits": "novaql.options",
    "NameRemoval": "novaql.options",
    "QueryOptions": "novaql.options",
    "Result": "novaql.result",
    "ResultKind": "novaql.result",
    "ResultCache": "novaql.result_cache",
}

__all__ = [
    "ArgumentError",
    "Cancellation",
    "Database",
    "EvaluationError",
    "InputError",
    "LimitExceeded",
    "Limits",
    "NameRemoval",
    "NovaqlError",
    "QueryCancelled",
    "QueryError",
    "QueryOptions",
    "QueryTimeout",
    "Result",
    "ResultCache",
    "ResultKind",
    "SampleFormat",
    "Saved",
    "SqlProblem",
    "StorageUnavailable",
    "__version__",
    "analyze",
    "estimate",
    "evaluate",
    "explain",
    "format",
    "frame",
    "open",
    "parse",
    "query",
    "save",
    "sql",
    "warmup",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(module), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
