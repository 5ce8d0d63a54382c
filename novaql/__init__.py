"""NovaQL: the DuckDB of metrics. PromQL and more, over data in your process or on disk.

>>> from novaql import query
>>> query("1 + 1", time=0).values.item()
2.0

The names below are loaded when they are first used, so that `import novaql` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from novaql.api import analyze as analyze
    from novaql.api import estimate as estimate
    from novaql.api import format as format
    from novaql.api import query as query
    from novaql.api import warmup as warmup
    from novaql.api import why_empty as why_empty
    from novaql.asynchronous import query_async as query_async
    from novaql.cancellation import Cancellation as Cancellation
    from novaql.database import Database as Database
    from novaql.database import memory as memory
    from novaql.database import open as open
    from novaql.duck.problems import SqlNote as SqlNote
    from novaql.duck.problems import SqlProblem as SqlProblem
    from novaql.duck.session import sql as sql
    from novaql.engine import evaluate as evaluate
    from novaql.engine import explain as explain
    from novaql.engine import explain_nodes as explain_nodes
    from novaql.errors import ArgumentError as ArgumentError
    from novaql.errors import EvaluationError as EvaluationError
    from novaql.errors import InputError as InputError
    from novaql.errors import LimitExceeded as LimitExceeded
    from novaql.errors import Located as Located
    from novaql.errors import NovaqlError as NovaqlError
    from novaql.errors import QueryCancelled as QueryCancelled
    from novaql.errors import QueryError as QueryError
    from novaql.errors import QueryTimeout as QueryTimeout
    from novaql.errors import StorageUnavailable as StorageUnavailable
    from novaql.errors import SyntaxProblem as SyntaxProblem
    from novaql.errors import TypeProblem as TypeProblem
    from novaql.errors import UnknownName as UnknownName
    from novaql.expressions.names import q as q
    from novaql.inputs.tables.frame import frame as frame
    from novaql.language.parse import parse as parse
    from novaql.lookups import cardinality as cardinality
    from novaql.lookups import label_values as label_values
    from novaql.lookups import labels as labels
    from novaql.lookups import metrics as metrics
    from novaql.lookups import series as series
    from novaql.lookups import time_range as time_range
    from novaql.notebook.magics import load_ipython_extension as load_ipython_extension
    from novaql.options import Limits as Limits
    from novaql.options import NameRemoval as NameRemoval
    from novaql.options import QueryOptions as QueryOptions
    from novaql.options import query_options as query_options
    from novaql.parameters import bind as bind
    from novaql.parameters import bound as bound
    from novaql.result import NativeCells as NativeCells
    from novaql.result import QueryStats as QueryStats
    from novaql.result import Result as Result
    from novaql.result import ResultKind as ResultKind
    from novaql.result_cache import ResultCache as ResultCache
    from novaql.saving import SampleFormat as SampleFormat
    from novaql.saving import Saved as Saved
    from novaql.saving import save as save
    from novaql.span import Span as Span
    from novaql.timeparse import duration_ms as duration_ms
    from novaql.timeparse import to_ms as to_ms
    from novaql.tsdb.index.cardinality import Cardinality as Cardinality
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "api": "analyze estimate format query warmup why_empty",
            "asynchronous": "query_async",
            "cancellation": "Cancellation",
            "database": "Database memory open",
            "duck.problems": "SqlNote SqlProblem",
            "duck.session": "sql",
            "engine": "evaluate explain explain_nodes",
            "errors": (
                "ArgumentError EvaluationError InputError LimitExceeded Located NovaqlError "
                "QueryCancelled QueryError QueryTimeout StorageUnavailable SyntaxProblem "
                "TypeProblem UnknownName"
            ),
            "expressions.names": "q",
            "inputs.tables.frame": "frame",
            "language.parse": "parse",
            "lookups": "cardinality label_values labels metrics series time_range",
            "notebook.magics": "load_ipython_extension",
            "parameters": "bind bound",
            "options": "Limits NameRemoval QueryOptions query_options",
            "result": "NativeCells QueryStats Result ResultKind",
            "result_cache": "ResultCache",
            "saving": "SampleFormat Saved save",
            "span": "Span",
            "timeparse": "duration_ms to_ms",
            "tsdb.index.cardinality": "Cardinality",
        },
    )
    __all__ += ["__version__"]
