"""Options of a query: its steps, its evaluation rules, its limits."""

from __future__ import annotations

import time as clock
from dataclasses import field
from enum import StrEnum
from functools import partial
from typing import Protocol

from novaql.errors import ArgumentError
from novaql.fast_dataclass import dataclass
from novaql.text.times import time_text
from novaql.timeparse import DurationLike, TimeLike, duration_ms, round_step_ms, to_ms
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

MOST_MS = (2**63 - 1) // 1_000_000
"""The longest duration in a query: 64 bits of nanoseconds."""

WANTED_STEPS = 240
"""The approximate number of steps of a range query without a step."""


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
    rollup_ms                  use rollups of this resolution for functions that have a kernel over
                               cells: the ends of their windows move back, and their lengths up, to
                               multiples of it. 0: windows do not change
    strict_promql              reject extensions of PromQL
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
    strict_promql: bool = False

    @property
    def instant(self) -> bool:
        return self.step_ms == 0


def query_options(
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    timeout: DurationLike | None = "2m",
    name_removal: NameRemoval | str = NameRemoval.DELAYED,
    left_closed: bool = False,
    limits: Limits | None = None,
    strict: bool = False,
    rollup: DurationLike | None = None,
    strict_promql: bool = False,
    now_ms: int | None = None,
    last_ms: int | None = None,
) -> QueryOptions:
    """The arguments of `query`, validated and converted to milliseconds.

    now_ms   the time that relative times refer to; None: the clock
    last_ms  the default of `time` and `end`; None: now

    Raises `ArgumentError`.
    """
    lookback_ms = _window_ms(lookback, "lookback")
    if lookback_ms <= 0:
        raise ArgumentError("lookback", "must be greater than 0")
    timeout_s = None if timeout is None else duration_ms(timeout, argument="timeout") / 1000
    if timeout_s is not None and timeout_s <= 0:
        raise ArgumentError("timeout", "must be greater than 0")
    try:
        removal = NameRemoval(name_removal)
    except ValueError:
        raise ArgumentError("name_removal", "is either 'delayed' or 'eager'") from None
    if limits is not None and not isinstance(limits, Limits):
        raise ArgumentError("limits", f"is a novaql.Limits(…), this is {type(limits).__name__}")
    rollup_ms = 0 if rollup is None else _window_ms(rollup, "rollup")
    if rollup_ms < 0 or (rollup is not None and rollup_ms == 0):
        raise ArgumentError("rollup", "must be greater than 0")
    options_of = partial(
        QueryOptions,
        lookback_ms=lookback_ms,
        timeout_s=timeout_s,
        name_removal=removal,
        left_closed=left_closed,
        limits=limits or Limits(),
        strict=strict,
        rollup_ms=rollup_ms,
        strict_promql=strict_promql,
    )
    now_ms = int(clock.time() * 1000) if now_ms is None else now_ms
    last_ms = now_ms if last_ms is None else last_ms
    if start is None and end is None and step is None:
        at_ms = last_ms if time is None else to_ms(time, argument="time", now_ms=now_ms)
        return options_of(at_ms, at_ms)
    if time is not None:
        raise ArgumentError(
            "time", "an instant query has no start, end or step; set one or the other"
        )
    if start is None:
        raise ArgumentError("start", "a range query needs it; end and step have defaults")
    start_ms = to_ms(start, argument="start", now_ms=now_ms)
    end_ms = last_ms if end is None else to_ms(end, argument="end", now_ms=now_ms, end=True)
    if end_ms < start_ms and end is None:
        raise ArgumentError("start", f"is after {time_text(end_ms)}, the default of end: give both")
    if end_ms < start_ms:
        raise ArgumentError("end", "must not be before start")
    least_ms = (end_ms - start_ms) / WANTED_STEPS
    step_ms = round_step_ms(least_ms) if step is None else _window_ms(step, "step")
    if step_ms <= 0:
        raise ArgumentError("step", "must be greater than 0")
    return options_of(start_ms, end_ms, step_ms)


def _window_ms(length: DurationLike, argument: str) -> int:
    """Milliseconds of a duration, within the limits of a query."""
    ms = duration_ms(length, argument=argument)
    if ms > MOST_MS:
        raise ArgumentError(argument, "is longer than 292 years")
    return ms


def time_window(start: TimeLike | None, end: TimeLike | None) -> tuple[int, int]:
    """The times from `start` to `end` in milliseconds; None: from the first, or to the last."""
    start_ms = MIN_TIME_MS if start is None else to_ms(start, argument="start")
    end_ms = MAX_TIME_MS if end is None else to_ms(end, argument="end", end=True)
    if end_ms < start_ms:
        raise ArgumentError("end", "must not be before start")
    return start_ms, end_ms
