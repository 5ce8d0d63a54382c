"""The series of one metric family of the Prometheus protobuf format."""

from __future__ import annotations

import math

from novaql.errors import InputError
from novaql.inputs.known_series import KnownSeries
from novaql.inputs.protobuf.label_fields import label_set
from novaql.inputs.protobuf.wire import BYTES, VARINT, fields, read_varint, signed, varint
from novaql.inputs.text.exposition import canonical_bound
from novaql.tsdb.model.labels import METRIC_NAME

_CONTENT = {"gauge": 2, "counter": 3, "summary": 4, "unknown": 5}  # field of `Metric`; else 7
_COUNTER_START = 0x1A


class MetricFamily:
    """Series of one metric family, by the bytes of their labels.

    empty  in place of the empty value of a label; "": the label is omitted
    """

    def __init__(self, name: str, kind: str, known: KnownSeries, empty: str = "") -> None:
        self.kind = kind
        self._field = _CONTENT.get(kind, 7)
        self.tag = self._field << 3 | BYTES
        self.start_tag = _COUNTER_START if kind == "counter" else None
        self._name = name
        self._known = known
        self._empty = empty
        summary = kind == "summary"
        self._part_name = name if summary else f"{name}_bucket"
        self._part_label = "quantile" if summary else "le"
        self._values: dict[bytes, int] = {}
        self._totals: dict[tuple[bytes, str], int] = {}
        self._parts: dict[tuple[bytes, float], int] = {}

    def content(self, data: bytes, at: int, end: int) -> tuple[tuple[int, int], int | None, bytes]:
        """Where the content of a metric is, its time, and labels that follow it."""
        place: tuple[int, int] | None = None
        time_ms = None
        names = b""
        for number, kind, start, stop in fields(data, at, end):
            if number == self._field and kind == BYTES:
                place = (start, stop)
            elif number == 6 and kind == VARINT:
                # 0 means no time: in one of the two protobuf dialects they are the same.
                time_ms = signed(read_varint(data, start, stop)[0]) or None
            elif number == 1 and kind == BYTES:
                names += b"\x0a" + varint(stop - start) + data[start:stop]
        if place is None:
            raise InputError(f"byte {at}: a metric of type {self.kind} has no such content")
        return place, time_ms, names

    def value(self, labels: bytes) -> int:
        """The number of the series whose name is the family's."""
        number = self._values.get(labels)
        if number is None:
            number = self._values[labels] = self._learn(self._name, labels)
        return number

    def total(self, labels: bytes, suffix: str) -> int:
        """The number of the series whose name is the family's and `_count` or `_sum`."""
        number = self._totals.get((labels, suffix))
        if number is None:
            number = self._totals[labels, suffix] = self._learn(self._name + suffix, labels)
        return number

    def part(self, labels: bytes, bound: float) -> int:
        """The number of a bucket's or a quantile's series."""
        if bound != bound:
            bound = math.nan  # one object, since NaN is not equal to itself
        number = self._parts.get((labels, bound))
        if number is None:
            number = self._learn(self._part_name, labels, canonical_bound(repr(bound)))
            self._parts[labels, bound] = number
        return number

    def _learn(self, name: str, label_bytes: bytes, bound: str = "") -> int:
        labels = label_set(label_bytes, empty=self._empty)
        if METRIC_NAME in labels:
            raise InputError(f"a metric has the label {METRIC_NAME}")
        if bound:
            if self._part_label in labels:
                raise InputError(f"a metric of type {self.kind} has the label {self._part_label}")
            labels[self._part_label] = bound
        return self._known.number({METRIC_NAME: name, **labels})
