"""Alerts and samples as promtool shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_notation import format_histogram
from novaql.model.label_set import Labels
from novaql.text.go_text import label_text, scientific
from novaql.text.numbers import number_text

FoundAlert = tuple[Labels, Labels]
"""Labels and annotations of an alert."""

_INDENT = " " * 12


def shown_alerts(alerts: Sequence[FoundAlert]) -> str:
    """A numbered list, indented below its heading."""
    if not alerts:
        return "[]"
    lines = ["["]
    for number, (labels, notes) in enumerate(sorted(alerts)):
        comma = "," if number + 1 < len(alerts) else ""
        lines.append(f"{_INDENT}{number}:")
        lines.append(f"{_INDENT}  Labels:{label_text(dict(labels))}")
        lines.append(f"{_INDENT}  Annotations:{label_text(dict(notes))}{comma}")
    lines.append(f"{_INDENT}]")
    return "\n".join(lines)


def shown_samples(samples: Sequence[tuple[Labels, float | FloatHistogram]]) -> str:
    """`{a="1"} 5E+00, …`, or nil."""
    if not samples:
        return "nil"
    return ", ".join(f"{label_text(dict(labels))} {_value(value)}" for labels, value in samples)


def _value(value: float | FloatHistogram) -> str:
    if isinstance(value, FloatHistogram):
        return format_histogram(value)
    return scientific(value).upper() if math.isfinite(value) else number_text(value)
