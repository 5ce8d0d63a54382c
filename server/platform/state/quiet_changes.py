"""Changes that nobody waits for: a stamp of the database that moves for many of them at one time.

Jobs commit dozens of times when many rules are due. If each of these commits made what is kept of
reads worthless, the server would read everything again dozens of times within the second in which
it has the most to do. So what jobs change is shown a second later at most, all of it together.
Changes of anybody else, of any process, are shown at once, and with them the quiet ones before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Stamp = tuple[int, int]

SHOWN_AFTER_S = 1.0
_COUNTER = 0xFFFF_FFFF
"""The lowest bytes of a stamp count commits: `iChange` of https://sqlite.org/walformat.html."""


class QuietChanges:
    """Which stamp stands for the present one. Safe to use from several threads.

    clock  seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._shown: Stamp | None = None
        self._tip: Stamp | None = None
        """The state after the quiet changes that followed `_shown`."""
        self._since = 0.0

    def add(self, before: Stamp, after: Stamp | None) -> None:
        """A quiet change was committed.

        before  when the writer had its turn: no other thread of this process commits until `after`
        after   behind the commit. Where another process committed meanwhile, the two are more than
                one commit apart, and nothing is held back
        """
        if after is None or not _is_next(before, after):
            return
        with self._lock:
            if before != (self._shown if self._tip is None else self._tip):
                return  # somebody else's change is between, or nobody looked since
            if self._tip is None:
                self._since = self._clock()
            self._tip = after

    def shown(self, present: Stamp) -> Stamp:
        """The stamp for a database that has this one."""
        with self._lock:
            waits = self._tip is not None and self._clock() - self._since < SHOWN_AFTER_S
            if self._shown is None or (
                present != self._shown and not (waits and present == self._tip)
            ):
                self._shown, self._tip = present, None
            return self._shown

    def show(self) -> None:
        """Hold nothing back any longer."""
        with self._lock:
            self._shown = self._tip = None


def _is_next(before: Stamp, after: Stamp) -> bool:
    """Whether one commit is between two stamps."""
    same = before[0] == after[0]
    return same and ((after[1] - before[1]) & _COUNTER) == 1
