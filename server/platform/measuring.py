"""Numbers out of a tenant's samples, for domains whose substance is the engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from novaql.api import evaluate
from novaql.options import QueryOptions
from novaql.result import ResultKind
from server.platform.clock import to_ms
from server.platform.context import ServerContext
from server.platform.query_run import within_budget

LOOKBACK_MS = 300_000


class Measured(NamedTuple):
    """One element of a result."""

    labels: Mapping[str, str]
    value: float


class Meter:
    """Evaluates expressions over the tenant's samples as they are at one time."""

    def __init__(self, context: ServerContext, at: datetime) -> None:
        self._context, self._at_ms = context, to_ms(at)
        self.warnings: list[str] = []

    def vector(self, expr: str) -> list[Measured]:
        """The elements that are floats; a scalar is one without labels.

        Raises what `novaql.evaluate` raises.
        """
        options = QueryOptions(self._at_ms, self._at_ms, 0, LOOKBACK_MS)
        result = evaluate(expr, self._context.store, within_budget(self._context, options))
        self.warnings += [w for w in result.warnings if w not in self.warnings]
        if result.kind not in (ResultKind.VECTOR, ResultKind.SCALAR) or result.raw is not None:
            return []
        found = []
        for row, labels in enumerate(result.series.dicts()):
            there = result.valid is None or bool(result.valid[row, 0])
            native = result.native is not None and int(result.native.which[row, 0]) >= 0
            if there and not native:
                found.append(Measured(labels, float(result.values[row, 0])))
        return found

    def number(self, expr: str) -> float | None:
        """The only element's value; None if there is none."""
        found = self.vector(expr)
        return found[0].value if len(found) == 1 else None
