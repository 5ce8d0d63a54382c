"""Errors of a read that returns everything that it can.

Reading damaged bytes raises, unless the caller passes a `ReadErrors`. The read then returns
everything readable, and `ReadErrors` lists everything that is missing.
"""

from __future__ import annotations

import threading

from novaql.tsdb.errors import Corrupted, Unreadable

MAX_NAMED = 20
"""Number of places that warnings name, so that a broken disk does not flood an answer."""

DAMAGE = (Corrupted, Unreadable)
"""Errors with a file and a place in it, which a reader can skip."""


class ReadErrors:
    """Places that one read could not use, each once, in the order of discovery. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], Corrupted | Unreadable] = {}

    def note(self, problem: Corrupted | Unreadable) -> None:
        """Note a place. The caller leaves out only the data there."""
        with self._lock:
            self._found.setdefault((str(problem.path), problem.place), problem)

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def problems(self) -> list[Corrupted | Unreadable]:
        with self._lock:
            return list(self._found.values())

    def warnings(self) -> tuple[str, ...]:
        """Return texts for users: file of the store, place, and reason.

        Without the directory of the store, which is not disclosed to clients.
        """
        found = self.problems()
        texts = [
            f"storage: {one.path.parent.name}/{one.path.name}: {one.place}: {one.reason}; "
            "its samples are missing from this answer"
            for one in found[:MAX_NAMED]
        ]
        if len(found) > MAX_NAMED:
            texts.append(f"storage: {len(found) - MAX_NAMED} more places could not be read")
        return tuple(texts)


def note_or_raise(problem: Corrupted | Unreadable, read_errors: ReadErrors | None) -> None:
    """Note an error; raise it if the caller has not passed a `ReadErrors`."""
    if read_errors is None:
        raise problem
    read_errors.note(problem)
