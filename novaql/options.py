"""How a query is to be evaluated, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class NameRemoval(StrEnum):
    """When `__name__` goes: at the end of the query, or at each function (as Prometheus ships)."""

    DELAYED = "delayed"
    EAGER = "eager"


class SharedMemory(Protocol):
    """Memory that several queries share. Called from any thread."""

    def reserve(self, size: int) -> None:
        """Take `size` bytes more for a query, or raise the error that ends it."""
        ...

    def release(self, size: int) -> None:
        """Give `size` reserved bytes back."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Budget of one query. 0 means no limit.

    samples            samples read from the source
    series             series of any one selection
    points             steps of a range query
    bytes              memory for results, and for what is computed between them, at one time
    label_value_bytes  longest label value, and longest label name, that a query makes
    shared             where the query reserves the memory that it takes; None: nowhere
    """

    samples: int = 0
    series: int = 0
    points: int = 0
    bytes: int = 4 << 30
    label_value_bytes: int = 64 << 10
    shared: SharedMemory | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """Steps to evaluate at and the rules to evaluate by.

    start_ms, end_ms, step_ms  steps are start, start + step, … ≤ end. step 0: an instant query
                               at start (= end)
    lookback_ms                how long a sample stays visible to an instant selector
    subquery_step_ms           step of a subquery that names none
    timeout_s                  wall-clock budget, None for no limit
    left_closed                ranges, subqueries and the lookback include their left end, as in
                               Prometheus before 3.0
    strict                     fail where the store cannot read what it once wrote; otherwise
                               the answer lacks what is damaged, and a warning names the place
    rollup_ms                  windows of `CELL_FUNCTIONS` may be answered by rollups of this
                               resolution: their ends move back, and their lengths up, to multiples
                               of it. 0: windows are as they are asked for
    """

    start_ms: int
    end_ms: int
    step_ms: int = 0
    lookback_ms: int = 300_000
    subquery_step_ms: int = 60_000
    timeout_s: float | None = 120.0
    name_removal: NameRemoval = NameRemoval.DELAYED
    start_timestamps: bool = True
    left_closed: bool = False
    strict: bool = False
    limits: Limits = field(default_factory=Limits)
    rollup_ms: int = 0

    @property
    def instant(self) -> bool:
        return self.step_ms == 0
