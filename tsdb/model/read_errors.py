"""What a read had to leave out because the disk would not give it back as it was written.

Reading damaged bytes raises, unless the reader hands in a place to note the damage. Then what can
be read is answered, and the note says what is missing: nothing is left out in silence.
"""

from __future__ import annotations

import threading

from novaql.tsdb.errors import Corrupted, Unreadable

MOST_TOLD = 20
"""So many places are named one by one; a ruined disk must not fill an answer with its names."""

DAMAGE = (Corrupted, Unreadable)
"""Errors that name a file and a place in it, around which a reader can go."""


class ReadErrors:
    """Places that one read could not use, each once, in the order of discovery. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], Corrupted | Unreadable] = {}

    def note(self, problem: Corrupted | Unreadable) -> None:
        """Whoever calls this leaves out what stands there, and nothing else."""
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
        """For people who asked: which file of the store and which place, and why.

        The directory of the store is not told: it is no business of a distant client.
        """
        found = self.problems()
        texts = [
            f"storage: {one.path.parent.name}/{one.path.name}: {one.place}: {one.reason}; "
            "its samples are missing from this answer"
            for one in found[:MOST_TOLD]
        ]
        if len(found) > MOST_TOLD:
            texts.append(f"storage: {len(found) - MOST_TOLD} more places could not be read")
        return tuple(texts)
