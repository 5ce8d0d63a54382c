"""NovaQL: the DuckDB of metrics. PromQL and more, over data in your process or on disk.

>>> from novaql import query
>>> query("1 + 1", time=0).values.item()
2.0
"""

from novaql.api import Cancellation, evaluate, explain, query
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
from novaql.language import format, parse
from novaql.options import Limits, NameRemoval, QueryOptions
from novaql.result import Result, ResultKind

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "Cancellation",
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
    "ResultKind",
    "StorageUnavailable",
    "__version__",
    "evaluate",
    "explain",
    "format",
    "frame",
    "parse",
    "query",
]
