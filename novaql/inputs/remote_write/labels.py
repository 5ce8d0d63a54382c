"""The labels of a remote write 1.0 time series, each a field 1 with a name and a value."""

from __future__ import annotations

from novaql.errors import InputError
from novaql.inputs.protobuf.wire import BYTES, fields, text
from novaql.text.excerpts import excerpt
from novaql.tsdb.model.labels import METRIC_NAME


def read_labels(data: bytes, most: int = 1 << 62) -> dict[str, str]:
    """The label set of a series, without labels whose value is empty.

    data  its label fields, one after the other
    most  limit of their number

    Raises `InputError`, also for labels that Prometheus rejects.
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
