"""What has changed in a SQLite database, and when those who keep what they read are told.

Every commit moves the stamp of the database (`change_stamp.py`), whoever makes it. Of commits of
this server's processes it is known beside that which tables they changed (`tables_used.py`,
`shared_changes.py`). So what is kept of a read is good until a commit changes one of the tables
that it read, or another program commits anything: the evaluation of rules makes no list of users
worthless.

Jobs commit dozens of times when many rules are due. Nobody waits for these changes: they are quiet,
and shown a second later at most, all of them together. Changes of anybody else, of any process, are
shown at once, and with them the quiet ones before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager

from novaql.server.platform.state.shared_changes import Commit, SharedChanges
from novaql.server.platform.state.tables_used import EVERYTHING

Stamp = tuple[int, int]
"""Generation of the connections, and a stamp."""

SHOWN_AFTER_S = 1.0
_COUNTER = 0xFFFF_FFFF
"""The lowest bytes of a stamp count commits: `iChange` of https://sqlite.org/walformat.html."""


class Changes:
    """Numbers of states of the database, and which tables have changed since. Thread-safe.

    read    the stamp; None where it cannot be told now
    shared  what processes tell each other, if they can
    clock   seconds
    """

    def __init__(
        self,
        read: Callable[[], Stamp | None],
        shared: Callable[[], SharedChanges | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._shared = shared
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
        shared = self._shared()
        with self._lock:
            before = self._before = self._tip if self._look() else None
            if before is not None and shared is not None:
                shared.begin(before[1])
        commit: Commit | None = None
        try:
            yield
            with self._lock:
                after = self._read()
                if before is not None and after is not None and before != after:
                    commit = self._own(before, after, changed, quiet=quiet)
        finally:
            with self._lock:
                self._before = None
                if before is not None and shared is not None:
                    shared.end(before[1], commit)

    def _own(self, before: Stamp, after: Stamp, changed: Set[str], *, quiet: bool) -> Commit | None:
        """Account for a commit of this process, if nobody else committed beside it."""
        if before != self._tip or not _is_next(before, after) or EVERYTHING in changed:
            self._show_all(after)
            return None
        self._account(after, changed, quiet=quiet)
        return Commit(after[1], frozenset(changed), quiet)

    def show(self) -> None:
        """Hold nothing back any longer."""
        with self._lock:
            self._show(frozenset())

    def _look(self) -> bool:
        """Account for what others have committed; whether that can be told."""
        present = self._read()
        if present is None:
            return False
        shared = self._shared()
        while present != self._tip and shared is not None and self._tip is not None:
            told = shared.after(self._tip[1])
            if told is None or self._tip[0] != present[0]:
                break
            self._account((present[0], told.after), told.tables, quiet=told.quiet)
        if present != self._tip:
            # Nobody else commits while somebody does: what comes next is theirs, and is accounted
            # for when they have told of it.
            if not self._is_under_way(present, shared):
                self._show_all(present)
        elif self._quiet and self._clock() - self._since >= SHOWN_AFTER_S:
            self._show(frozenset())
        return True

    def _is_under_way(self, present: Stamp, shared: SharedChanges | None) -> bool:
        tip = self._tip
        if tip is None or not _is_next(tip, present):
            return False
        return tip == self._before or (shared is not None and shared.is_under_way(tip[1]))

    def _account(self, after: Stamp, changed: Set[str], *, quiet: bool) -> None:
        self._tip = after
        if not quiet:
            self._show(changed)
            return
        if not self._quiet:
            self._since = self._clock()
        self._quiet |= changed

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
