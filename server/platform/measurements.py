"""What was measured of the tenants' samples a moment ago, while no client has written any since.

Samples that a client has written count in every figure that is asked for after its answer: each
acknowledged write ends what was measured of the tenant before. Samples of scrapes and of rules,
which nobody waits for, do not.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from novaql.errors import NovaqlError
from novaql.tsdb.errors import StoreError

log = logging.getLogger(__name__)
_MOST = 10_000
_MOST_WORTH = 6
"""What was asked for again and again is measured so often more, though nobody asks any longer."""


class Measured(NamedTuple):
    """One element of a result."""

    labels: Mapping[str, str]
    value: float


Found = tuple[list[Measured], tuple[str, ...]]
Measure = Callable[[str, datetime], Found]


@dataclass(slots=True)
class Measurements:
    """What was measured of a tenant's samples at one time.

    writes  acknowledged writes of the tenant before it
    worth   how often each expression is to be measured again, unless it is asked for
    """

    at: datetime
    writes: int = 0
    known: dict[str, Found] = field(default_factory=dict)
    worth: dict[str, int] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)
    _turns: dict[str, threading.Lock] = field(default_factory=dict)

    def of(self, expr: str, measure: Measure) -> Found:
        """What an expression gave at this time; it is measured if nobody has asked before.

        Threads that ask for the same wait for the first of them.
        """
        known = self.known.get(expr)
        if known is None:
            with self._turns.setdefault(expr, threading.Lock()):
                known = self.known.get(expr)
                if known is None:
                    known = self.known[expr] = measure(expr, self.at)
        if expr not in self._asked:
            self._asked.add(expr)
            self.worth[expr] = min(self.worth.get(expr, 0) + 2, _MOST_WORTH)
        return known


class MeasurementsKept:
    """The last measurements of each tenant, told again for `seconds`, or until samples are written.

    One look at an objective is a score of queries, and what polls objectives and health does so
    more often than they change. Within the time everything is as it was at its beginning, so that
    counts which belong together stay together. 0: everything is measured anew each time.

    When the time is over, all that is asked for lately is measured again by a thread, one after the
    other and with pauses, and until that is done everybody is told what was measured before. So
    nobody waits for what others have asked for, what is told is never older than twice the time,
    and there is never a moment at which everything is measured at once. That goes on for a few
    times when nobody asks, so what is looked at every ten seconds is there, too.
    """

    def __init__(self, seconds: float) -> None:
        self._for = timedelta(seconds=seconds)
        self._lock = threading.Lock()
        self._last: dict[str, Measurements] = {}
        self._measure: dict[str, Measure] = {}
        self._renewing: set[str] = set()
        self._writes: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="measure")

    def note_write(self, tenant_id: str) -> None:
        """Samples of a client were stored, or deleted; to be called before the client is told."""
        with self._lock:
            self._writes[tenant_id] += 1

    def at(self, tenant_id: str, now: datetime, measure: Measure) -> Measurements:
        """Those that count now; perhaps none yet. Never waits.

        measure  how a thread measures them again
        """
        if not self._for:
            return Measurements(now)
        with self._lock:
            last = self._last.get(tenant_id)
            writes = self._writes[tenant_id]
            if last is None or last.writes != writes or not self._counts(last, now):
                last = self._last[tenant_id] = Measurements(now, writes)
            else:
                self._renew_if_over(tenant_id, last, now, measure)
            self._measure[tenant_id] = measure
            return last

    def keep_up(self, now: datetime) -> None:
        """Have measured again what is over and is worth it, before anybody asks. Never waits."""
        with self._lock:
            for tenant_id, last in self._last.items():
                is_newest = last.writes == self._writes[tenant_id]
                if (
                    is_newest
                    and self._counts(last, now)
                    and any(n > 0 for n in last.worth.copy().values())
                ):
                    self._renew_if_over(tenant_id, last, now, self._measure[tenant_id])

    def _renew_if_over(
        self, tenant_id: str, last: Measurements, now: datetime, measure: Measure
    ) -> None:
        if now >= last.at + self._for and tenant_id not in self._renewing:
            self._renewing.add(tenant_id)
            new = Measurements(now, last.writes)
            self._thread.submit(self._renew, tenant_id, last, new, measure)

    def _counts(self, last: Measurements, now: datetime) -> bool:
        """Whether measurements are told at that time, or would be if there were any."""
        times = 2 if last.known else 1
        return last.at <= now < last.at + times * self._for and len(last.known) < _MOST

    def close(self) -> None:
        """Forget what is to be measured, and wait for what is being measured."""
        self._thread.shutdown(cancel_futures=True)

    def settled(self) -> None:
        """Return when nothing is being measured again."""
        self._thread.submit(int).result()

    def _renew(
        self, tenant_id: str, old: Measurements, new: Measurements, measure: Measure
    ) -> None:
        try:
            began = time.monotonic()
            for expr, worth in list(old.worth.items()):
                if worth <= 0:
                    continue
                one = time.monotonic()
                try:
                    new.known[expr] = measure(expr, new.at)
                except (NovaqlError, StoreError):
                    continue  # whoever asks for it is told
                new.worth[expr] = worth - 1
                self._pause(began, time.monotonic() - one)
        except Exception:
            log.exception("what was measured could not be measured again")
        finally:
            with self._lock:
                self._renewing.discard(tenant_id)
                if self._last.get(tenant_id) is old and old.writes == self._writes[tenant_id]:
                    self._last[tenant_id] = new

    def _pause(self, began: float, took: float) -> None:
        """Leave the interpreter to the requests for as long as it was taken, if there is time."""
        if time.monotonic() - began < self._for.total_seconds() / 2:
            time.sleep(took)
