"""A result drawn with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from novaql.errors import ArgumentError
from novaql.export.frames import numpy_arrays
from novaql.export.missing import needs
from novaql.export.table import split_common
from novaql.result import Result, ResultKind
from novaql.text.labels import series_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_IN_LEGEND = 12


def plot(result: Result, ax: Axes | None = None) -> Axes:
    """Lines over time for a matrix, one bar a series for a vector or scalar.

    ax  where to draw; None: new axes of a new figure. Lines break where samples are missing; up to
        12 series are named in a legend. Raises `ArgumentError` for a string result.
    """
    if result.text is not None:
        raise ArgumentError("result", "is a text, which cannot be drawn")
    with needs("matplotlib", extra="plot"):
        from matplotlib import pyplot as plt  # noqa: PLC0415 - an extra, and slow to load
    if ax is None:
        _, ax = plt.subplots(figsize=(10, 4), layout="constrained")
    common, varying = split_common(result.series)
    names = [series_text(labels) for labels in result.series.keep(varying)]
    if common:
        ax.set_title(series_text(common), loc="left", fontsize="medium")
    if result.kind is not ResultKind.MATRIX:
        ax.barh(names, numpy_arrays(result).values[:, 0])
        ax.invert_yaxis()
        return ax
    _, times, values = numpy_arrays(result)
    for row, name in enumerate(names):
        ax.plot(times, values[row], label=name, linewidth=1.4)
    if 1 < len(names) <= MOST_IN_LEGEND:
        ax.legend(loc="best", fontsize="small", frameon=False)
    ax.set_xlabel("UTC")
    ax.grid(visible=True, alpha=0.25)
    return ax
