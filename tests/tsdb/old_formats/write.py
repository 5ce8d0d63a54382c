"""Writes the store that `test_old_formats.py` expects, with the program as it is.

    python -m tests.tsdb.old_formats.write tests/tsdb/old_formats/format6

To be run once for each format, by the first program that writes it, before a later one is begun.
"""

from __future__ import annotations

import sys
from pathlib import Path

from novaql import tsdb
from tests.support.store.model import batch_of
from tests.tsdb.old_formats.test_old_formats import (
    DELETED,
    METADATA,
    ROLLUP_MS,
    begun,
    steps,
    traced,
)


def write(folder: Path, formats: int) -> None:
    """Blocks as a flush wrote them, merged ones with rollups, and a log of every kind of record."""
    with tsdb.open(folder, rollups_ms=(ROLLUP_MS,)) as database:
        for number, step in enumerate(steps(formats)):
            database.append(batch_of(step))
            database.append(begun(number))
            if number == 0:
                database.flush()
                database.compact()
            if number == 1:
                database.flush()
        database.append(traced())
        database.set_metadata(METADATA)
        database.delete([DELETED])


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[1].rstrip("/")[-1]))
