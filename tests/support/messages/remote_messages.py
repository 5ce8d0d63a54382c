"""Remote write 2.0 and remote read messages made by Google's protobuf from schemas built here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.support.messages.remote_write_messages import Series

_DOUBLE, _INT64, _UINT64, _INT32, _UINT32, _STRING, _MESSAGE = 1, 3, 4, 5, 13, 9, 11
_ONE, _MANY = 1, 3
Field = tuple[str, int, int, int, str]

_LABEL: list[Field] = [("name", 1, _STRING, _ONE, ""), ("value", 2, _STRING, _ONE, "")]
_SCHEMAS: dict[str, dict[str, list[Field]]] = {
    "write2": {
        "Sample": [
            ("value", 1, _DOUBLE, _ONE, ""),
            ("timestamp", 2, _INT64, _ONE, ""),
            ("start_timestamp", 3, _INT64, _ONE, ""),
        ],
        "Histogram": [
            ("count_int", 1, _UINT64, _ONE, ""),
            ("sum", 3, _DOUBLE, _ONE, ""),
            ("zero_count_int", 6, _UINT64, _ONE, ""),
            ("timestamp", 15, _INT64, _ONE, ""),
            ("start_timestamp", 17, _INT64, _ONE, ""),
        ],
        "Exemplar": [
            ("labels_refs", 1, _UINT32, _MANY, ""),
            ("value", 2, _DOUBLE, _ONE, ""),
            ("timestamp", 3, _INT64, _ONE, ""),
        ],
        "Metadata": [
            ("type", 1, _INT32, _ONE, ""),
            ("help_ref", 3, _UINT32, _ONE, ""),
            ("unit_ref", 4, _UINT32, _ONE, ""),
        ],
        "TimeSeries": [
            ("labels_refs", 1, _UINT32, _MANY, ""),
            ("samples", 2, _MESSAGE, _MANY, "Sample"),
            ("histograms", 3, _MESSAGE, _MANY, "Histogram"),
            ("exemplars", 4, _MESSAGE, _MANY, "Exemplar"),
            ("metadata", 5, _MESSAGE, _ONE, "Metadata"),
        ],
        "Request": [
            ("symbols", 4, _STRING, _MANY, ""),
            ("timeseries", 5, _MESSAGE, _MANY, "TimeSeries"),
        ],
    },
    "read": {
        "Label": _LABEL,
        "Sample": [("value", 1, _DOUBLE, _ONE, ""), ("timestamp", 2, _INT64, _ONE, "")],
        "TimeSeries": [
            ("labels", 1, _MESSAGE, _MANY, "Label"),
            ("samples", 2, _MESSAGE, _MANY, "Sample"),
        ],
        "QueryResult": [("timeseries", 1, _MESSAGE, _MANY, "TimeSeries")],
        "ReadResponse": [("results", 1, _MESSAGE, _MANY, "QueryResult")],
        "LabelMatcher": [
            ("type", 1, _INT32, _ONE, ""),
            ("name", 2, _STRING, _ONE, ""),
            ("value", 3, _STRING, _ONE, ""),
        ],
        "Query": [
            ("start_timestamp_ms", 1, _INT64, _ONE, ""),
            ("end_timestamp_ms", 2, _INT64, _ONE, ""),
            ("matchers", 3, _MESSAGE, _MANY, "LabelMatcher"),
            ("hints", 4, _MESSAGE, _ONE, "ReadHints"),
        ],
        "ReadHints": [("func", 2, _STRING, _ONE, "")],
        "ReadRequest": [
            ("queries", 1, _MESSAGE, _MANY, "Query"),
            ("accepted_response_types", 2, _INT32, _MANY, ""),
        ],
    },
}


def message_classes(package: str, messages: dict[str, list[Field]]) -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto3"
    )
    for name, fields in messages.items():
        made = file.message_type.add(name=name)
        for field, number, kind, label, of in fields:
            added = made.field.add(name=field, number=number, type=kind, label=label)
            if of:
                added.type_name = f".{package}.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call, unused-ignore]
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }


_WRITE = message_classes("write2", _SCHEMAS["write2"])
_READ = message_classes("read", _SCHEMAS["read"])
ReadRequestMessage = _READ["ReadRequest"]
ReadResponseMessage = _READ["ReadResponse"]


class Symbols:
    """A table of texts; calling it gives the number of a text."""

    def __init__(self) -> None:
        self.numbers = {"": 0}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


def write_2_message(
    series: Sequence[Series], *, metadata: tuple[int, str, str] | None = None
) -> Any:
    """A remote write 2.0 request. metadata: type, help and unit of every series."""
    request, symbols = _WRITE["Request"](), Symbols()
    for labels, samples in series:
        one = request.timeseries.add()
        for name in sorted(labels):
            one.labels_refs.extend([symbols(name), symbols(labels[name])])
        for time, value in samples:
            one.samples.add(timestamp=time, value=value)
        if metadata is not None:
            kind, description, unit = metadata
            one.metadata.type = kind
            one.metadata.help_ref, one.metadata.unit_ref = symbols(description), symbols(unit)
    request.symbols.extend(symbols.numbers)
    return request
