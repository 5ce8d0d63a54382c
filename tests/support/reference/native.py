"""Native histograms: operators, functions and aggregations, one histogram after the other.

Sums of two histograms are `promqltest.histogram`'s, functions of one are `plain_histograms`'.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from novaql.model.float_histogram import (
    FloatHistogram,
    IncompatibleHistograms,
    ResetHint,
    add,
    subtract,
)
from tests.support.histograms import plain_histograms
from tests.support.histograms.native_histograms import was_reset
from tests.support.reference import numbers
from tests.support.reference.values import Element, Notes, Number, UnsureError, Vector, mapped

MIXED = "encountered a mix of histograms and floats for metric name"
MIXED_SCHEMAS = (
    "vector contains a mix of histograms with exponential and custom buckets schemas "
    "for metric name"
)


def quoted(name: str) -> str:
    return f'"{name}"'


# --- operators -------------------------------------------------------------------------------


def scaled(one: FloatHistogram, factor: float) -> FloatHistogram:
    found = one.scaled(factor).compacted()
    return replace(found, hint=ResetHint.GAUGE) if factor < 0 else found


def divided(one: FloatHistogram, divisor: float) -> FloatHistogram:
    if divisor == 0 or math.isnan(divisor):  # no buckets; the other numbers as in IEEE 754
        return replace(
            one,
            count=numbers.divide(one.count, divisor),
            sum=numbers.divide(one.sum, divisor),
            zero_count=numbers.divide(one.zero_count, divisor),
            positive=() if divisor == 0 else one.scaled(divisor).positive,
            negative=() if divisor == 0 else one.scaled(divisor).negative,
        )
    found = replace(
        one.scaled(1 / divisor),
        count=one.count / divisor,
        sum=one.sum / divisor,
        zero_count=one.zero_count / divisor,
    )
    return replace(found.compacted(), hint=ResetHint.GAUGE if divisor < 0 else one.hint)


def operation(op: str, a: Number, b: Number, notes: Notes) -> Number | bool | None:
    """An operator of which at least one side is a histogram.

    A bool is the result of a comparison; None: the element is dropped, and the notes have the
    reason.
    """
    if isinstance(a, FloatHistogram) and isinstance(b, FloatHistogram):
        if op in ("+", "-"):
            return _combined(a, b, op, notes)
        if op in ("==", "!="):
            return same(a, b) == (op == "==")
    elif isinstance(a, FloatHistogram) and not isinstance(b, FloatHistogram):
        if op == "*":
            return scaled(a, b)
        if op == "/":
            return divided(a, b)
        if op in ("</", ">/"):
            if math.isnan(b):
                raise UnsureError("trimmed at NaN")
            return plain_histograms.trimmed(a, b, below=op == "</")
    elif op == "*" and isinstance(b, FloatHistogram) and not isinstance(a, FloatHistogram):
        return scaled(b, a)
    left, right = ("histogram" if isinstance(x, FloatHistogram) else "float" for x in (a, b))
    kinds = f"{left} {op} {right}"
    notes.info(f'incompatible sample types encountered for binary operator "{op}": {kinds}')
    return None


def _combined(a: FloatHistogram, b: FloatHistogram, op: str, notes: Notes) -> Number | None:
    try:
        found = add(a, b) if op == "+" else subtract(a, b)
    except IncompatibleHistograms:
        notes.warn(f"incompatible bucket layout encountered for binary operator {op}")
        return None
    word = "addition" if op == "+" else "subtraction"
    if {a.hint, b.hint} == {ResetHint.RESET, ResetHint.NOT_RESET}:
        notes.conflicting_resets(word)
    if a.custom and a.custom_values != b.custom_values:
        notes.bounds_reconciled(word)
    return found if op == "+" else replace(found, hint=ResetHint.GAUGE)


def same(a: FloatHistogram, b: FloatHistogram) -> bool:
    """Whether both are equal except for the hint; empty buckets do not count."""

    def plain(one: FloatHistogram) -> FloatHistogram:
        return replace(one.compacted(), hint=ResetHint.UNKNOWN)

    return plain(a) == plain(b)


def without_hint(value: Number) -> Number:
    """A point of a subquery: whether a counter was reset before it is unknown."""
    if not isinstance(value, FloatHistogram) or value.hint is ResetHint.GAUGE:
        return value
    return replace(value, hint=ResetHint.UNKNOWN)


# --- functions -------------------------------------------------------------------------------

OF_ONE: dict[str, Callable[[FloatHistogram], float]] = {
    "histogram_count": lambda h: h.count,
    "histogram_sum": lambda h: h.sum,
    "histogram_avg": lambda h: numbers.divide(h.sum, h.count),
    "histogram_stdvar": plain_histograms.variance,
    "histogram_stddev": lambda h: numbers.ELEMENTWISE["sqrt"](plain_histograms.variance(h)),
}


def of_histograms(vector: Vector, function: Callable[[FloatHistogram], float]) -> Vector:
    """Apply a function to histograms; floats are dropped without a note."""
    some = [e for e in vector if isinstance(e.value, FloatHistogram)]
    return mapped(some, [function(e.value) for e in some if isinstance(e.value, FloatHistogram)])


def quantile(element: Element, q: float, notes: Notes) -> float:
    assert isinstance(element.value, FloatHistogram)
    found, about = plain_histograms.quantile(element.value, q)
    if about:
        word = "NaN" if about == "nan" else "skewed higher"
        name = f" for metric name {quoted(element.name)}" if element.name else ""
        notes.info(f"input to histogram_quantile has NaN observations, result is {word}{name}")
    return found


# --- sums of many ----------------------------------------------------------------------------


def total(members: list[FloatHistogram], name: str, notes: Notes) -> FloatHistogram | None:
    """The sum; None where exponential and custom buckets meet.

    Different custom bounds are reported if they meet before the first member that does not fit:
    Prometheus adds one member after another and stops at that one.
    """
    mixed = len({one.custom for one in members}) > 1
    if mixed:
        notes.warn(f"{MIXED_SCHEMAS} {quoted(name)}")
    elif {ResetHint.RESET, ResetHint.NOT_RESET} <= {one.hint for one in members}:
        notes.conflicting_resets("aggregation")
    found = members[0]
    for one in members[1:]:
        if one.custom != found.custom:
            return None
        if found.custom and found.custom_values != one.custom_values:
            notes.bounds_reconciled("aggregation")
        found = add(found, one)
    return found


def mean(members: list[FloatHistogram], name: str, notes: Notes) -> FloatHistogram | None:
    found = total(members, name, notes)
    return found if found is None else divided(found, float(len(members)))


# --- ranges ----------------------------------------------------------------------------------


def increase(
    members: list[FloatHistogram], name: str, notes: Notes, *, counter: bool
) -> FloatHistogram | None:
    """The increase from the first to the last histogram, with the populations before each counter
    reset."""
    is_gauge = [one.hint is ResetHint.GAUGE for one in members]
    if counter and any(is_gauge):
        notes.warn(f"this native histogram metric is not a counter: {quoted(name)}")
    first, last = members[0], members[-1]
    empty_first = counter and was_reset(first, members[1])
    if empty_first:  # the buckets of the first one do not count then
        first = FloatHistogram(schema=members[1].schema, custom_values=members[1].custom_values)
    looked_at = [first, *members[1:]] if counter else [first, last]
    if len({one.custom for one in looked_at}) > 1:
        notes.warn(f"{MIXED_SCHEMAS} {quoted(name)}")
        notes.unsure = notes.unsure or any(is_gauge)  # other notes are not defined
        return None
    if last.custom and first.custom_values != last.custom_values:
        notes.bounds_reconciled("subtraction")
    coarsest = min(one.schema for one in looked_at)
    found = last if last.custom else last.coarsened(coarsest)
    found = subtract(found, first)
    if counter:
        for before, after in pairwise([first, *members[1:]]):
            if was_reset(before, after):
                if found.custom and found.custom_values != before.custom_values:
                    notes.bounds_reconciled("addition")
                found = add(found, before)
    elif not (is_gauge[0] and is_gauge[-1]):
        notes.warn(f"this native histogram metric is not a gauge: {quoted(name)}")
    return replace(found.compacted(), hint=ResetHint.GAUGE)


def last_difference(
    before: FloatHistogram, after: FloatHistogram, name: str, notes: Notes, *, counter: bool
) -> FloatHistogram | None:
    is_gauge = [one.hint is ResetHint.GAUGE for one in (before, after)]
    if counter and any(is_gauge):
        notes.warn(f"this native histogram metric is not a counter: {quoted(name)}")
    if not counter and not all(is_gauge):
        notes.warn(f"this native histogram metric is not a gauge: {quoted(name)}")
    if counter and was_reset(before, after):
        return replace(after.compacted(), hint=ResetHint.GAUGE)
    if before.custom != after.custom:
        notes.warn(f"{MIXED_SCHEMAS} {quoted(name)}")
        return None
    if after.custom and after.custom_values != before.custom_values:
        notes.bounds_reconciled("subtraction")
    return replace(subtract(after, before).compacted(), hint=ResetHint.GAUGE)
