"""Values of the reference evaluator."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from novaql.model.float_histogram import FloatHistogram

LabelSet = tuple[tuple[str, str], ...]
Number = float | FloatHistogram
Sample = tuple[int, Number]
NAME = "__name__"

_STALE = struct.pack("<Q", 0x7FF0000000000002)


class RefusedError(Exception):
    """The query cannot be carried out on this data."""


class UnsureError(Exception):
    """The result is not defined (dates beyond the calendar), or depends on a last digit."""


@dataclass(frozen=True)
class Series:
    """Samples in order of time (milliseconds)."""

    labels: dict[str, str]
    samples: Sequence[Sample]


@dataclass(frozen=True)
class Element:
    """One element of an instant vector. nameless: the name is removed at the end of the query."""

    labels: dict[str, str]
    value: Number
    nameless: bool = False

    @property
    def number(self) -> float:
        """The value of an element that is known to be a float."""
        assert not isinstance(self.value, FloatHistogram)
        return self.value

    @property
    def name(self) -> str:
        return self.labels.get(NAME, "")

    @property
    def key(self) -> LabelSet:
        return tuple(sorted(self.labels.items()))

    def bare(self) -> Element:
        """The element without its name, if that is to be removed."""
        if not self.nameless:
            return self
        return Element(without(self.labels, NAME), self.value)


Vector = list[Element]


def without(labels: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name not in names}


def only(labels: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name in names}


def with_label(labels: dict[str, str], name: str, value: str) -> dict[str, str]:
    """The labels with one more label; an empty value removes it."""
    return {**without(labels, name), **({name: value} if value else {})}


def mapped(vector: Vector, values: Sequence[Number], *, nameless: bool = True) -> Vector:
    return [
        replace(e, value=v, nameless=e.nameless or nameless)
        for e, v in zip(vector, values, strict=True)
    ]


def floats(vector: Vector) -> Vector:
    return [element for element in vector if not isinstance(element.value, FloatHistogram)]


def of_floats(vector: Vector, function: Callable[[float], float]) -> Vector:
    """Apply a function to numbers; histograms are dropped without a note."""
    some = floats(vector)
    return mapped(some, [function(element.number) for element in some])


def is_stale(value: Number) -> bool:
    number = value.sum if isinstance(value, FloatHistogram) else value
    return math.isnan(number) and struct.pack("<d", number) == _STALE


class Notes:
    """Warnings and infos, without their places in the query.

    `unsure`: the annotations of this query are not defined well enough to compare them.
    """

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.unsure = False

    def warn(self, text: str) -> None:
        self.texts.add(f"PromQL warning: {text}")

    def info(self, text: str) -> None:
        self.texts.add(f"PromQL info: {text}")

    def conflicting_resets(self, operation: str) -> None:
        self.warn(f"conflicting counter resets during histogram {operation}")

    def bounds_reconciled(self, operation: str) -> None:
        self.info(f"mismatched custom buckets were reconciled during {operation}")


def refuse_equal(vector: Vector) -> Vector:
    """Return the vector. Raises `RefusedError` if two elements have the same labels."""
    keys = [(e.key, e.nameless) for e in vector]
    if len(set(keys)) < len(keys):
        raise RefusedError("vector cannot contain metrics with the same labelset")
    return vector
