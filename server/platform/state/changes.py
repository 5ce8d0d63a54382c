"""What has changed in a SQLite database, and when those who keep what they read are told.

Every commit moves the stamp of the database (`change_stamp.py`), whoever makes it. Of commits of
this process it is known beside that which tables they changed (`tables_used.py`). So what is kept
of a read is good until a commit changes one of the tables that it read, or somebody else commits
anything: the evaluation of rules makes no list of users worthless.

Jobs commit dozens of times when many rules are due. Nobody waits for these changes: they are quiet,
and shown a second later at most, all of them together. Changes of anybody else, of any process, are
shown at once, and with them the quiet ones before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager

from server.platform.state.tables_used import EVERYTHING

Stamp = tuple[int, int]
"""Generation of the connections, and a stamp."""

SHOWN_AFTER_S = 1.0
_COUNTER = 0xFFFF_FFFF
"""The lowest bytes of a stamp count commits: `iChange` of https://sqlite.org/walformat.html."""


class Changes:
    """Numbers of states of the database, and which tables have changed since. Thread-safe.

    read   the stamp; None where it cannot be told now
    clock  seconds
    """

    def __init__(
        self, read: Callable[[], Stamp | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._tip: Stamp | None = None
        """The last state that is accounted for."""
        self._before: Stamp | None = None
        """The state before a commit of this process that is under way."""
        self._number = 0
        self._all = 0
        self._tables: dict[str, int] = {}
        self._quiet: set[str] = set()
        self._since = 0.0

    def moment(self) -> int | None:
        """The number of the present state; the same again until something is shown.

        Takes microseconds, and waits for nobody.
        """
        with self._lock:
            return self._number if self._look() else None

    def unchanged_since(self, moment: int, tables: Set[str]) -> bool:
        """Whether nothing that is shown has changed those tables after a moment."""
        with self._lock:
            if not self._look() or self._all > moment:
                return False
            if self._number == moment:
                return True
            return not any(n > moment and name in tables for name, n in self._tables.items())

    @contextmanager
    def committing(self, changed: Set[str], *, quiet: bool) -> Iterator[None]:
        """Around a commit of this process, which has the write lock of the database.

        changed  the tables, once the block has ended
        """
        with self._lock:
            self._before = self._tip if self._look() else None
        try:
            yield
        except BaseException:
            with self._lock:
                self._before = None
            raise
        with self._lock:
            before, self._before = self._before, None
            after = self._read()
            if before is None or after is None or before == after:
                return  # the next look tells
            if before != self._tip or not _is_next(before, after) or EVERYTHING in changed:
                self._show_all(after)
                return
            self._tip = after
            if not quiet:
                self._show(changed)
                return
            if not self._quiet:
                self._since = self._clock()
            self._quiet |= changed

    def show(self) -> None:
        """Hold nothing back any longer."""
        with self._lock:
            self._show(frozenset())

    def _look(self) -> bool:
        """Account for what others have committed; whether that can be told."""
        present = self._read()
        if present is None:
            return False
        if present != self._tip:
            # Nobody else commits while this process does: what comes next is its own, and is
            # accounted for when it is complete.
            if self._before is None or not _is_next(self._before, present):
                self._show_all(present)
        elif self._quiet and self._clock() - self._since >= SHOWN_AFTER_S:
            self._show(frozenset())
        return True

    def _show_all(self, present: Stamp) -> None:
        self._number += 1
        self._all = self._number
        self._tip = present
        self._tables.clear()
        self._quiet.clear()

    def _show(self, changed: Set[str]) -> None:
        """Show changes, and the quiet ones before them."""
        shown = changed | self._quiet
        if shown:
            self._number += 1
            self._tables.update(dict.fromkeys(shown, self._number))
            self._quiet.clear()


def _is_next(before: Stamp, after: Stamp) -> bool:
    """Whether one commit is between two stamps."""
    same = before[0] == after[0]
    return same and ((after[1] - before[1]) & _COUNTER) == 1
