"""The progress of long work on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from novaql.inputs.batch_stream import Progress, no_progress

STEPS = 1000


@contextmanager
def progress_bar(doing: str) -> Iterator[Progress]:
    """A bar on stderr if that is a terminal; otherwise nothing. doing: `importing`."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console  # noqa: PLC0415 - slow to load, only for watchers
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    shape = (TextColumn(doing), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(
        *shape, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(doing, total=STEPS)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=STEPS * done / max(1, total))

        yield show
