"""What the reference evaluator works on."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace

LabelSet = tuple[tuple[str, str], ...]
Sample = tuple[int, float]
NAME = "__name__"

_STALE = struct.pack("<Q", 0x7FF0000000000002)


class RefusedError(Exception):
    """The query cannot be carried out on this data."""


class UnsureError(Exception):
    """What comes out is not defined (dates beyond the calendar), or hangs on a last digit."""


@dataclass(frozen=True)
class Series:
    """Samples in order of time (milliseconds)."""

    labels: dict[str, str]
    samples: list[Sample]


@dataclass(frozen=True)
class Element:
    """One element of an instant vector. nameless: the name goes at the end of the query."""

    labels: dict[str, str]
    value: float
    nameless: bool = False

    @property
    def key(self) -> LabelSet:
        return tuple(sorted(self.labels.items()))

    def bare(self) -> Element:
        """With the name taken off, if it is to go."""
        if not self.nameless:
            return self
        return Element(without(self.labels, NAME), self.value)


Vector = list[Element]


def without(labels: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name not in names}


def only(labels: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name in names}


def with_label(labels: dict[str, str], name: str, value: str) -> dict[str, str]:
    """An empty value takes the label away."""
    return {**without(labels, name), **({name: value} if value else {})}


def mapped(vector: Vector, values: list[float], *, nameless: bool = True) -> Vector:
    return [
        replace(e, value=v, nameless=e.nameless or nameless)
        for e, v in zip(vector, values, strict=True)
    ]


def is_stale(value: float) -> bool:
    return math.isnan(value) and struct.pack("<d", value) == _STALE


def refuse_equal(vector: Vector) -> Vector:
    """The vector, unless two elements have the same labels."""
    keys = [(e.key, e.nameless) for e in vector]
    if len(set(keys)) < len(keys):
        raise RefusedError("vector cannot contain metrics with the same labelset")
    return vector
