"""A line chart as one self-contained SVG element. In a page, it shows the values
under the pointer and zooms (`chart_events.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from novaql.export.chart_events import attributes
from novaql.export.scale import number_ticks, reduced, time_ticks
from novaql.text.numbers import axis_number, number_text
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

WIDTH, HEIGHT = 860, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 24, 12, 26

# Neighbours differ in hue and lightness; each is visible on white and on near-black.
PALETTE = (
    *("#3987e5", "#e8912d", "#1fa37a", "#d55181"),
    *("#8a63d2", "#2fb5c9", "#e34948", "#a7a01f"),
)


def line_chart(times_ms: Ints, values: Floats, valid: Bools | None, names: Sequence[str]) -> str:
    """One line a series over time; lines break where samples are missing.

    values, valid: [S, T]; names: [S], shown when a line is pointed at. Colours of text, grid and
    background come from the CSS variables --nq-text, --nq-grid and --nq-back. "" if there is
    nothing finite to draw.
    """
    drawn = np.isfinite(values) if valid is None else valid & np.isfinite(values)
    if not drawn.any():
        return ""
    columns = np.flatnonzero(drawn.any(axis=0))
    start, end = int(times_ms[columns[0]]), int(times_ms[columns[-1]])
    ticks = number_ticks(float(values[drawn].min()), float(values[drawn].max()))
    low, high = ticks[0], ticks[-1]
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    # Halved, so that a scale from the lowest to the highest float does not overflow.
    half_span = high / 2 - low / 2

    def x_of(times: Ints) -> Floats:
        return LEFT + (times - start) / max(1, end - start) * across

    def y_of(numbers: Floats) -> Floats:
        return TOP + up - (numbers / 2 - low / 2) / half_span * up

    parts = [
        f'<svg class="nq-chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{len(names)} series over time" xmlns="http://www.w3.org/2000/svg"'
        f' data-plot="{LEFT} {WIDTH - RIGHT} {TOP} {HEIGHT - BOTTOM}" data-range="{start} {end}"'
        f" {attributes()}>"
    ]
    for tick, y in zip(ticks, y_of(np.array(ticks)).tolist(), strict=True):
        parts.append(f'<path class="nq-grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{axis_number(tick)}</text>'
        )
    parts.append(f'<g class="nq-times" data-y="{HEIGHT - 8}">')
    for ms, label in time_ticks(start, end):
        x = float(x_of(np.array([ms]))[0])
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>'
        )
    # The inner element clips lines that are zoomed; a clip path needs an id, one in the whole page.
    parts.append(
        f'</g><svg x="{LEFT - 4}" y="0" width="{across + 8}" height="{HEIGHT}"'
        f' viewBox="{LEFT - 4} 0 {across + 8} {HEIGHT}"><g class="nq-lines">'
    )
    for row, name in enumerate(names):
        some_times, some_values, some_valid = reduced(times_ms, values[row], drawn[row], across)
        path = _path(x_of(some_times), y_of(np.where(some_valid, some_values, low)), some_valid)
        if path:
            colour = PALETTE[row % len(PALETTE)]
            times = " ".join(map(str, some_times[some_valid].tolist()))
            texts = " ".join(map(number_text, some_values[some_valid].tolist()))
            parts.append(
                f'<path class="nq-line" stroke="{colour}" d="{path}" data-times="{times}"'
                f' data-values="{texts}"><title>{escape(name)}</title></path>'
            )
    parts.append("</g></svg></svg>")
    return "".join(parts)


def _path(x: Floats, y: Floats, valid: Bools) -> str:
    """Line pieces between gaps; an isolated point is a line of no length, drawn as a round dot."""
    starts = valid & ~np.concatenate([[False], valid[:-1]])
    lonely = starts & ~np.concatenate([valid[1:], [False]])
    return "".join(
        f"{'M' if first else 'L'}{a:.1f} {b:.1f}{'h0' if alone else ''}"
        for a, b, first, alone in zip(
            x[valid].tolist(),
            y[valid].tolist(),
            starts[valid].tolist(),
            lonely[valid].tolist(),
            strict=True,
        )
    )
