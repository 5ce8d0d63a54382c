"""How a query is to be evaluated, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class NameRemoval(StrEnum):
    """When a query removes `__name__`: at its end, or at each function (Prometheus's default)."""

    DELAYED = "delayed"
    EAGER = "eager"


class SharedMemory(Protocol):
    """Memory that several queries share. Called from any thread."""

    def reserve(self, size: int) -> None:
        """Reserve `size` more bytes for a query, or raise the error that ends it."""
        ...

    def release(self, size: int) -> None:
        """Release `size` reserved bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Budget of one query. 0 means no limit.

    samples            samples read from the source
    series             series of any one selection
    points             steps of a range query
    bytes              memory for results and intermediate results, at one time
    label_value_bytes  longest label value, and longest label name, that a query creates
    shared             shared memory from which the query reserves its own; None: no reservation
    """

    samples: int = 0
    series: int = 0
    points: int = 0
    bytes: int = 4 << 30
    label_value_bytes: int = 64 << 10
    shared: SharedMemory | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The steps of a query, and its evaluation rules.

    start_ms, end_ms, step_ms  steps are start, start + step, … ≤ end. step 0: an instant query
                               at start (= end)
    lookback_ms                how long a sample stays visible to an instant selector
    subquery_step_ms           step of a subquery that names none
    timeout_s                  wall-clock budget, None for no limit
    left_closed                ranges, subqueries and the lookback include their left end, as in
                               Prometheus before 3.0
    strict                     fail if the store is damaged; otherwise the query skips what it
                               cannot read, and a warning names the position
    rollup_ms                  use rollups of this resolution for windows of `CELL_FUNCTIONS`:
                               their ends move back, and their lengths up, to multiples of it.
                               0: windows do not change
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
