"""Script executors: programs that the server's configuration names run isolated from the server.

Invariants: no shell; a parameter is one whole argument or stdin; a script cannot read the server's
files; after a run, none of its processes and files exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from novaql.lazy_exports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {"executor": "Executor", "executors": "NO_EXECUTORS Executors", "outcome": "Outcome"},
)

if TYPE_CHECKING:
    from novaql.server.executors.executor import Executor as Executor
    from novaql.server.executors.executors import NO_EXECUTORS as NO_EXECUTORS
    from novaql.server.executors.executors import Executors as Executors
    from novaql.server.executors.outcome import Outcome as Outcome
