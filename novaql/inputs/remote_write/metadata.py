"""Metadata of metrics in remote write."""

from __future__ import annotations

from novaql.inputs.protobuf.wire import BYTES, VARINT, fields, read_varint, text
from novaql.text.labels import FAMILY_PARTS
from novaql.tsdb.model.source import Metadata

_TYPES = (
    "unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset",
)  # fmt: skip


def type_name(number: int) -> str:
    """The type of a metric by its number in messages."""
    return _TYPES[number] if number < len(_TYPES) else "unknown"


def family_of(name: str, kind: str) -> str:
    """The metric of a series, by which metadata is stored. 2.0 sends it with each series."""
    for part in FAMILY_PARTS.get(kind, ()):
        if name.endswith(part):
            return name.removesuffix(part)
    return name


def read_metadata(data: bytes, start: int, stop: int) -> tuple[str, Metadata]:
    """Metric and metadata of a 1.0 message in data[start:stop]. Raises `InputError`."""
    kind, texts = 0, {2: "", 4: "", 5: ""}
    for number, wire, first, last in fields(data, start, stop):
        if number == 1 and wire == VARINT:
            kind = read_varint(data, first, last)[0]
        elif number in texts and wire == BYTES:
            texts[number] = text(data, first, last)
    return texts[2], Metadata(type_name(kind), texts[4], texts[5])
