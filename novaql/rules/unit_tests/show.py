"""Alerts and samples as promtool shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_notation import format_histogram
from novaql.model.label_set import Labels
from novaql.rules.templates.go_format import quoted
from novaql.rules.templates.values import scientific

FoundAlert = tuple[Labels, Labels]
"""Labels and annotations of an alert."""

_INDENT = " " * 12


def shown_labels(labels: Labels) -> str:
    """`{a="1", b="2"}`"""
    return "{" + ", ".join(f"{name}={quoted(value)}" for name, value in labels) + "}"


def shown_alerts(alerts: Sequence[FoundAlert]) -> str:
    """A numbered list, indented below its heading."""
    if not alerts:
        return "[]"
    lines = ["["]
    for number, (labels, notes) in enumerate(sorted(alerts)):
        comma = "," if number + 1 < len(alerts) else ""
        lines.append(f"{_INDENT}{number}:")
        lines.append(f"{_INDENT}  Labels:{shown_labels(labels)}")
        lines.append(f"{_INDENT}  Annotations:{shown_labels(notes)}{comma}")
    lines.append(f"{_INDENT}]")
    return "\n".join(lines)


def shown_samples(samples: Sequence[tuple[Labels, float | FloatHistogram]]) -> str:
    """`{a="1"} 5E+00, …`, or nil."""
    if not samples:
        return "nil"
    return ", ".join(f"{shown_labels(labels)} {_value(value)}" for labels, value in samples)


def _value(value: float | FloatHistogram) -> str:
    if isinstance(value, FloatHistogram):
        return format_histogram(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    mantissa, _, power = scientific(repr(value)).partition("e")
    return f"{mantissa}E{'-' if int(power) < 0 else '+'}{abs(int(power)):02d}"
