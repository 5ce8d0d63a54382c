"""Columns of text on standard output."""

from __future__ import annotations

from collections.abc import Sequence

import click


def echo_rows(rows: Sequence[Sequence[str]], *, left: int | None) -> None:
    """Columns side by side, numbers to the right.

    left  how many columns are text, aligned left; None: all but the last
    """
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = {len(widths) - 1} if left is None else set(range(left))
    for row in rows:
        cells = [
            cell.ljust(width) if place in texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())
