"""Metadata of a metric in remote write 1.0."""

from __future__ import annotations

from novaql.inputs.protobuf.wire import BYTES, VARINT, fields, read_varint, text
from novaql.tsdb.model.source import Metadata

_TYPES = (
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
)


def read_metadata(data: bytes, start: int, stop: int) -> tuple[str, Metadata]:
    """Metric and metadata of the message in data[start:stop]. Raises `InputError`."""
    kind, texts = 0, {2: "", 4: "", 5: ""}
    for number, wire, first, last in fields(data, start, stop):
        if number == 1 and wire == VARINT:
            kind = read_varint(data, first, last)[0]
        elif number in texts and wire == BYTES:
            texts[number] = text(data, first, last)
    said = _TYPES[kind] if kind < len(_TYPES) else "unknown"
    return texts[2], Metadata(said, texts[4], texts[5])
