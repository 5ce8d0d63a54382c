"""Remote write 1.0 messages made by Google's protobuf, from a schema built at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Sample = tuple[int, float]
Series = tuple[Mapping[str, str], Sequence[Sample]]

_DOUBLE, _INT64, _STRING, _MESSAGE, _ENUM32 = 1, 3, 9, 11, 5
_UINT64, _UINT32, _SINT32, _SINT64 = 4, 13, 17, 18
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
    message("BucketSpan", ("offset", 1, _SINT32, _ONE, ""), ("length", 2, _UINT32, _ONE, ""))
    message(
        "Histogram",
        ("count_int", 1, _UINT64, _ONE, ""),
        ("count_float", 2, _DOUBLE, _ONE, ""),
        ("sum", 3, _DOUBLE, _ONE, ""),
        ("schema", 4, _SINT32, _ONE, ""),
        ("zero_threshold", 5, _DOUBLE, _ONE, ""),
        ("zero_count_int", 6, _UINT64, _ONE, ""),
        ("zero_count_float", 7, _DOUBLE, _ONE, ""),
        ("negative_spans", 8, _MESSAGE, _MANY, "BucketSpan"),
        ("negative_deltas", 9, _SINT64, _MANY, ""),
        ("negative_counts", 10, _DOUBLE, _MANY, ""),
        ("positive_spans", 11, _MESSAGE, _MANY, "BucketSpan"),
        ("positive_deltas", 12, _SINT64, _MANY, ""),
        ("positive_counts", 13, _DOUBLE, _MANY, ""),
        ("reset_hint", 14, _ENUM32, _ONE, ""),
        ("timestamp", 15, _INT64, _ONE, ""),
        ("custom_values", 16, _DOUBLE, _MANY, ""),
    )
    histogram = file.message_type[-1]
    for number, name in enumerate(("count", "zero_count")):
        histogram.oneof_decl.add(name=name)
        for field in histogram.field:
            if field.name in (f"{name}_int", f"{name}_float"):
                field.oneof_index = number
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
