"""Script executors: programs that the server's configuration names run isolated from the server.

Invariants: no shell; a parameter is one whole argument or stdin; a script cannot read the server's
files; after a run, none of its processes and files exist.
"""

from __future__ import annotations

from novaql.server.executors.executors import NO_EXECUTORS, Executor, Executors
from novaql.server.executors.outcome import Outcome

__all__ = ["NO_EXECUTORS", "Executor", "Executors", "Outcome"]
