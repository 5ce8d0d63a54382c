"""Messages of the Prometheus protobuf format made by Google's protobuf, in both of its dialects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TYPES = ("counter", "gauge", "summary", "untyped", "histogram", "gauge_histogram")
_KINDS = {
    "double": 1, "int64": 3, "uint64": 4, "int32": 5, "string": 9, "uint32": 13, "sint32": 17,
    "sint64": 18,
}  # fmt: skip
_ONE, _MANY, _MESSAGE = 1, 3, 11
_SCHEMA = {
    "LabelPair": "name string 1, value string 2",
    "Timestamp": "seconds int64 1, nanos int32 2",
    "Exemplar": "label *LabelPair 1, value double 2, timestamp Timestamp 3",
    "Gauge": "value double 1",
    "Counter": "value double 1, exemplar Exemplar 2, created_timestamp Timestamp 3",
    "Quantile": "quantile double 1, value double 2",
    "Summary": (
        "sample_count uint64 1, sample_sum double 2, quantile *Quantile 3, "
        "created_timestamp Timestamp 4"
    ),
    "Untyped": "value double 1",
    "Bucket": (
        "cumulative_count uint64 1, upper_bound double 2, exemplar Exemplar 3, "
        "cumulative_count_float double 4"
    ),
    "BucketSpan": "offset sint32 1, length uint32 2",
    "Histogram": (
        "sample_count uint64 1, sample_sum double 2, bucket *Bucket 3, "
        "sample_count_float double 4, schema sint32 5, zero_threshold double 6, "
        "zero_count uint64 7, zero_count_float double 8, negative_span *BucketSpan 9, "
        "negative_delta *sint64 10, negative_count *double 11, positive_span *BucketSpan 12, "
        "positive_delta *sint64 13, positive_count *double 14, created_timestamp Timestamp 15, "
        "exemplars *Exemplar 16"
    ),
    "Metric": (
        "label *LabelPair 1, gauge Gauge 2, counter Counter 3, summary Summary 4, "
        "untyped Untyped 5, timestamp_ms int64 6, histogram Histogram 7"
    ),
    "MetricFamily": "name string 1, help string 2, type int32 3, metric *Metric 4, unit string 5",
}


def _family_class(syntax: str) -> Any:
    package = f"metrics.{syntax}"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{syntax}.proto", package=package, syntax=syntax
    )
    for name, described in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for entry in described.split(", "):
            field, kind, number = entry.split()
            label = _MANY if kind.startswith("*") else _ONE
            kind = kind.lstrip("*")
            added = message.field.add(name=field, number=int(number), label=label)
            added.type = _KINDS.get(kind, _MESSAGE)  # type: ignore[assignment]
            if kind not in _KINDS:
                added.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call, unused-ignore]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.MetricFamily"))


FAMILY_CLASSES = {syntax: _family_class(syntax) for syntax in ("proto2", "proto3")}
"""proto2 writes lists of numbers one by one, and explicit zeros; proto3 packs lists, and omits
zeros."""


def delimited(families: Iterable[Any]) -> bytes:
    """The messages, each after its length."""
    out = b""
    for family in families:
        body = family.SerializeToString()
        size, head = len(body), b""
        while size >= 0x80:
            head += bytes([size & 0x7F | 0x80])
            size >>= 7
        out += head + bytes([size]) + body
    return out


COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)


def family(name: str, kind: int, *metrics: dict[str, Any], syntax: str = "proto2") -> Any:
    """A family. A metric is given as the fields of its message, with `labels` as a mapping."""
    made = FAMILY_CLASSES[syntax](name=name, type=kind)
    for metric in metrics:
        labels = metric.pop("labels", {})
        one = made.metric.add(**metric)
        for label, value in labels.items():
            one.label.add(name=label, value=value)
    return made


def histograms_and_counter(*names: str) -> bytes:
    """A native histogram of each name, and a counter with a start timestamp."""
    family = FAMILY_CLASSES["proto2"]
    made = []
    for name in names:
        one = family(name=name, type=4)
        one.metric.add(
            histogram={
                "sample_count": 3,
                "zero_threshold": 0.5,
                "positive_span": [{"offset": 0, "length": 2}],
                "positive_delta": [1, 1],
            }
        )
        made.append(one)
    counter = family(name="c_total", type=0)
    counter.metric.add(counter={"value": 5, "created_timestamp": {"seconds": 9}})
    return delimited([*made, counter])
