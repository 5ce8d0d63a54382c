"""The context of an evaluation of rules: a store, and the settings of the whole program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from novaql.cancellation import Cancellation
from novaql.fast_dataclass import dataclass
from novaql.options import Limits, NameRemoval, QueryOptions
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Source


class RuleStore(Protocol):
    """The store that rules read and write."""

    def source(self) -> Source:
        """Return a source of all samples written so far."""
        ...

    def write(self, batch: Batch) -> None:
        """Store the result of a rule; it is visible when this returns.

        Raises `EvaluationError` for samples that conflict with stored ones.
        """
        ...


@dataclass(frozen=True, slots=True)
class RuleContext:
    """
    store             read and written
    external_labels   `$externalLabels` of templates
    external_url      `$externalURL`, `externalURL` and `pathPrefix` of templates
    query_offset_ms   offset of groups that name none
    lookback_ms, subquery_step_ms, timeout_s, limits   of every query
    name_removal      as in Prometheus's own rules, where `__name__` is removed at each function
    cancellation      ends queries, and the templates of a rule
    """

    store: RuleStore
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""
    query_offset_ms: int = 0
    lookback_ms: int = 300_000
    subquery_step_ms: int = 60_000
    timeout_s: float | None = 120.0
    name_removal: NameRemoval = NameRemoval.EAGER
    limits: Limits = field(default_factory=Limits)
    cancellation: Cancellation | None = None

    def options(self, time_ms: int) -> QueryOptions:
        """Options of an instant query."""
        return QueryOptions(
            time_ms,
            time_ms,
            0,
            self.lookback_ms,
            self.subquery_step_ms,
            self.timeout_s,
            self.name_removal,
            limits=self.limits,
        )
