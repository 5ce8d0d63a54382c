"""The labels of one remote write time series: field 1 of it, a name and a value each."""

from __future__ import annotations

from novaql.errors import InputError
from novaql.inputs.protobuf.wire import BYTES, fields, text
from novaql.text.excerpts import excerpt
from novaql.tsdb.model.labels import METRIC_NAME


def read_labels(data: bytes, most: int = 1 << 62) -> dict[str, str]:
    """Label set of a series; labels with an empty value are left out.

    data  its label fields, one after the other
    most  how many labels it may have

    Raises `InputError`, also for labels that Prometheus would not take.
    """
    labels: dict[str, str] = {}
    for _, _, first, last in fields(data, 0, len(data)):
        parts = {1: "", 2: ""}
        for number, kind, begin, finish in fields(data, first, last):
            if number in parts:
                if kind != BYTES:
                    raise InputError(f"byte {begin}: a label has wire type {kind}")
                parts[number] = text(data, begin, finish)
        name, value = parts[1], parts[2]
        if not name:
            raise InputError(f"byte {first}: a label has no name")
        if name in labels:
            raise InputError(f"byte {first}: the label {excerpt(name)} is given twice")
        labels[name] = value
        if len(labels) > most:
            raise InputError(f"it has more than {most} labels")
    labels = {name: value for name, value in labels.items() if value}
    if METRIC_NAME not in labels:
        raise InputError(f"it has no metric name, its labels are {', '.join(map(excerpt, labels))}")
    return labels


def quick_labels(data: bytes, most: int = 1 << 62) -> dict[str, str] | None:
    """The same for labels as senders write them, each shorter than 128 bytes; else None."""
    labels: dict[str, str] = {}
    count = at = 0
    end = len(data)
    try:
        while at < end:
            if count > most:
                return None
            stop = at + 2 + data[at + 1]
            name_stop = at + 4 + data[at + 3]
            if (
                data[at] != 0x0A
                or data[at + 2] != 0x0A
                or data[name_stop] != 0x12
                or data[at + 1] >= 0x80
                or name_stop + 2 + data[name_stop + 1] != stop
                or stop > end
            ):
                return None
            labels[data[at + 4 : name_stop].decode()] = data[name_stop + 2 : stop].decode()
            count += 1
            at = stop
    except (IndexError, UnicodeDecodeError):
        return None
    usual = METRIC_NAME in labels and len(labels) == count
    return labels if usual and "" not in labels and "" not in labels.values() else None
