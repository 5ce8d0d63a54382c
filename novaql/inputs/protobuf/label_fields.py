"""Label fields in messages of Prometheus: a field 1 for each label, with a name and a value."""

from __future__ import annotations

from novaql.errors import InputError
from novaql.inputs.protobuf.wire import BYTES, fields, read_varint, text
from novaql.text.excerpts import excerpt

_FIRST_FIELD = 0x0A  # number 1, bytes


def end_of_labels(data: bytes, at: int, end: int) -> int:
    """Where the labels at the beginning of a metric or series end. Raises `InputError`."""
    while at < end and data[at] == _FIRST_FIELD:
        size = data[at + 1] if at + 1 < end else 0x80
        start = at + 2
        if size >= 0x80:
            size, start = read_varint(data, at + 1, end)
        if start + size > end:
            raise InputError(f"byte {at}: a label ends behind its series")
        at = start + size
    return at


def label_pair(data: bytes, start: int, stop: int) -> tuple[str, str]:
    """Name and value of one label; "" for one that is left out. Raises `InputError`."""
    parts = {1: "", 2: ""}
    for number, kind, first, last in fields(data, start, stop):
        if number in parts:
            if kind != BYTES:
                raise InputError(f"byte {first}: a label has wire type {kind}")
            parts[number] = text(data, first, last)
    return parts[1], parts[2]


def label_set(data: bytes, most: int = 1 << 62, empty: str = "") -> dict[str, str]:
    """The label set of label fields, one after the other.

    most   limit of their number
    empty  in place of an empty value; "": labels with an empty value are omitted

    Raises `InputError`.
    """
    labels: dict[str, str] = {}
    for _, _, first, last in fields(data, 0, len(data)):
        name, value = label_pair(data, first, last)
        if not name:
            raise InputError(f"byte {first}: a label has no name")
        if name in labels:
            raise InputError(f"byte {first}: the label {excerpt(name)} is given twice")
        labels[name] = value
        if len(labels) > most:
            raise InputError(f"it has more than {most} labels")
    return {name: value or empty for name, value in labels.items() if value or empty}
