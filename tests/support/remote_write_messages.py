"""Remote write 1.0 messages made by Google's protobuf, from a schema built at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Sample = tuple[int, float]
Series = tuple[Mapping[str, str], Sequence[Sample]]

_DOUBLE, _INT64, _STRING, _MESSAGE, _ENUM32 = 1, 3, 9, 11, 5
_ONE, _MANY = 1, 3


def _message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="rw.proto", package="rw", syntax="proto3")

    def message(name: str, *fields: tuple[str, int, int, int, str]) -> None:
        made = file.message_type.add(name=name)
        for field, number, kind, label, of in fields:
            added = made.field.add(name=field, number=number, type=kind, label=label)
            if of:
                added.type_name = f".rw.{of}"

    message("Label", ("name", 1, _STRING, _ONE, ""), ("value", 2, _STRING, _ONE, ""))
    message("Sample", ("value", 1, _DOUBLE, _ONE, ""), ("timestamp", 2, _INT64, _ONE, ""))
    message(
        "Exemplar",
        ("labels", 1, _MESSAGE, _MANY, "Label"),
        ("value", 2, _DOUBLE, _ONE, ""),
        ("timestamp", 3, _INT64, _ONE, ""),
    )
    message("Histogram", ("sum", 3, _DOUBLE, _ONE, ""), ("timestamp", 15, _INT64, _ONE, ""))
    message(
        "TimeSeries",
        ("labels", 1, _MESSAGE, _MANY, "Label"),
        ("samples", 2, _MESSAGE, _MANY, "Sample"),
        ("exemplars", 3, _MESSAGE, _MANY, "Exemplar"),
        ("histograms", 4, _MESSAGE, _MANY, "Histogram"),
    )
    message(
        "MetricMetadata",
        ("type", 1, _ENUM32, _ONE, ""),
        ("metric_family_name", 2, _STRING, _ONE, ""),
        ("help", 4, _STRING, _ONE, ""),
        ("unit", 5, _STRING, _ONE, ""),
    )
    message(
        "WriteRequest",
        ("timeseries", 1, _MESSAGE, _MANY, "TimeSeries"),
        ("metadata", 3, _MESSAGE, _MANY, "MetricMetadata"),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call, unused-ignore]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("rw.WriteRequest"))


WriteRequestMessage = _message_class()


def message_of(series: Sequence[Series]) -> Any:
    """A WriteRequest; labels in order of name, as senders must write them."""
    request = WriteRequestMessage()
    for labels, samples in series:
        one = request.timeseries.add()
        for name in sorted(labels):
            one.labels.add(name=name, value=labels[name])
        for time, value in samples:
            one.samples.add(timestamp=time, value=value)
    return request


def packed(message: Any) -> bytes:
    """The body of the HTTP request."""
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))
