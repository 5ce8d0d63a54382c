"""Columns of text on standard output."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click


def echo_rows(rows: Sequence[Sequence[str]], *, left: int | Collection[int] | None) -> None:
    """Columns side by side, numbers to the right.

    left  how many columns are text, aligned left, or which; None: the last
    """
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if left is None:
        left = {len(widths) - 1}
    texts = range(left) if isinstance(left, int) else left
    for row in rows:
        cells = [
            cell.ljust(width) if place in texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())
