"""Measure values in a tenant's samples, for SLOs and services."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from novaql import QueryOptions, ResultKind, evaluate
from novaql.server.cache.measurements import Found, Measured
from novaql.server.clock import to_ms
from novaql.server.pools.precedence import FairCancellation
from novaql.server.query.run import within_budget
from novaql.server.tenants.context import ServerContext

__all__ = ["Measured", "Meter"]

LOOKBACK_MS = 300_000


class Meter:
    """Evaluates expressions over the tenant's samples at one time.

    at  this time: now, or that of cached values
    """

    def __init__(self, context: ServerContext, now: datetime) -> None:
        self._context = context
        self._measured = context.caches.measurements.at(
            context.tenant_id, now, stored=context.samples_version
        )
        self.at = self._measured.at
        self.warnings: list[str] = []

    def vector(self, expr: str) -> list[Measured]:
        """The float elements of the result; a scalar is an element without labels.

        Raises the errors of `novaql.evaluate`.
        """
        found, warnings = self._measured.of(expr, partial(measured, self._context))
        self.warnings += [w for w in warnings if w not in self.warnings]
        return found

    def number(self, expr: str) -> float | None:
        """The value of the only element; None if the result does not have exactly one."""
        found = self.vector(expr)
        return found[0].value if len(found) == 1 else None


def measured(context: ServerContext, expr: str, at: datetime) -> Found:
    """Evaluate an expression: elements and warnings. Raises the errors of `novaql.evaluate`."""
    at_ms = to_ms(at)
    options = within_budget(context, QueryOptions(at_ms, at_ms, 0, LOOKBACK_MS))
    in_turn = FairCancellation()
    in_turn.begin()
    result = evaluate(expr, context.store, options, cancellation=in_turn)
    found: list[Measured] = []
    if result.kind not in (ResultKind.VECTOR, ResultKind.SCALAR) or result.raw is not None:
        return found, result.warnings
    for row, labels in enumerate(result.series.dicts()):
        there = result.valid is None or bool(result.valid[row, 0])
        native = result.native is not None and int(result.native.which[row, 0]) >= 0
        if there and not native:
            found.append(Measured(labels, float(result.values[row, 0])))
    return found, result.warnings
