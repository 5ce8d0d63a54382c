"""OTLP metrics: the JSON of the specification, the same in Google's protobuf, and what is wrong."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from novaql.errors import InputError
from novaql.server.auth.roles import Role
from novaql.server.ingest.otlp import convert
from novaql.server.ingest.otlp_messages import from_json, from_protobuf
from novaql.server.ingest.otlp_names import label_name, metric_name
from novaql.tsdb.model.source import Metadata
from tests.support.messages.remote_messages import Field, message_classes
from tests.support.servers.http_server import LocalServer, local_server

_FIXED, _SFIXED, _SINT, _UINT, _BOOL, _STRING, _MESSAGE, _DOUBLE = 6, 16, 17, 4, 8, 9, 11, 1
_POINT: list[Field] = [
    ("start_time_unix_nano", 2, _FIXED, 1, ""),
    ("time_unix_nano", 3, _FIXED, 1, ""),
]
_DISTRIBUTION: list[Field] = [*_POINT, ("count", 4, _FIXED, 1, ""), ("sum", 5, _DOUBLE, 1, "")]


def _attributes(number: int) -> Field:
    return ("attributes", number, _MESSAGE, 3, "KeyValue")


CLASSES = message_classes(
    "otlp",
    {
        "AnyValue": [("string_value", 1, _STRING, 1, ""), ("bool_value", 2, _BOOL, 1, "")],
        "KeyValue": [("key", 1, _STRING, 1, ""), ("value", 2, _MESSAGE, 1, "AnyValue")],
        "NumberPoint": [
            *_POINT,
            ("as_double", 4, _DOUBLE, 1, ""),
            ("as_int", 6, _SFIXED, 1, ""),
            _attributes(7),
            ("flags", 8, _UINT, 1, ""),
        ],
        "HistogramPoint": [
            *_DISTRIBUTION,
            ("bucket_counts", 6, _FIXED, 3, ""),
            ("explicit_bounds", 7, _DOUBLE, 3, ""),
            _attributes(9),
            ("flags", 10, _UINT, 1, ""),
        ],
        "Buckets": [("offset", 1, _SINT, 1, ""), ("bucket_counts", 2, _UINT, 3, "")],
        "ExponentialPoint": [
            _attributes(1),
            *_DISTRIBUTION,
            ("scale", 6, _SINT, 1, ""),
            ("zero_count", 7, _FIXED, 1, ""),
            ("positive", 8, _MESSAGE, 1, "Buckets"),
            ("negative", 9, _MESSAGE, 1, "Buckets"),
            ("flags", 10, _UINT, 1, ""),
            ("zero_threshold", 14, _DOUBLE, 1, ""),
        ],
        "Quantile": [("quantile", 1, _DOUBLE, 1, ""), ("value", 2, _DOUBLE, 1, "")],
        "SummaryPoint": [
            *_DISTRIBUTION,
            ("quantile_values", 6, _MESSAGE, 3, "Quantile"),
            _attributes(7),
        ],
        "Gauge": [("data_points", 1, _MESSAGE, 3, "NumberPoint")],
        "Sum": [
            ("data_points", 1, _MESSAGE, 3, "NumberPoint"),
            ("aggregation_temporality", 2, 5, 1, ""),
            ("is_monotonic", 3, _BOOL, 1, ""),
        ],
        "Histogram": [
            ("data_points", 1, _MESSAGE, 3, "HistogramPoint"),
            ("aggregation_temporality", 2, 5, 1, ""),
        ],
        "ExponentialHistogram": [
            ("data_points", 1, _MESSAGE, 3, "ExponentialPoint"),
            ("aggregation_temporality", 2, 5, 1, ""),
        ],
        "Summary": [("data_points", 1, _MESSAGE, 3, "SummaryPoint")],
        "Metric": [
            ("name", 1, _STRING, 1, ""),
            ("description", 2, _STRING, 1, ""),
            ("unit", 3, _STRING, 1, ""),
            ("gauge", 5, _MESSAGE, 1, "Gauge"),
            ("sum", 7, _MESSAGE, 1, "Sum"),
            ("histogram", 9, _MESSAGE, 1, "Histogram"),
            ("exponential_histogram", 10, _MESSAGE, 1, "ExponentialHistogram"),
            ("summary", 11, _MESSAGE, 1, "Summary"),
        ],
        "ScopeMetrics": [("metrics", 2, _MESSAGE, 3, "Metric")],
        "Resource": [_attributes(1)],
        "ResourceMetrics": [
            ("resource", 1, _MESSAGE, 1, "Resource"),
            ("scope_metrics", 2, _MESSAGE, 3, "ScopeMetrics"),
        ],
        "Request": [("resource_metrics", 1, _MESSAGE, 3, "ResourceMetrics")],
    },
)
TIMES = {"startTimeUnixNano": "500000000", "timeUnixNano": "2000000000"}


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def request_of(*metrics: dict[str, Any]) -> dict[str, Any]:
    resource = {
        "attributes": [
            text("service.name", "shop"),
            text("service.namespace", "eu"),
            text("service.instance.id", "i1"),
            text("host.name", "h"),
        ]
    }
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}


WHOLE = request_of(
    {
        "name": "queue.size",
        "description": "Waiting.",
        "unit": "1",
        "gauge": {"dataPoints": [{**TIMES, "asInt": "-3", "attributes": [text("a.b", "x")]}]},
    },
    {
        "name": "work.time",
        "unit": "ms",
        "sum": {
            "dataPoints": [{**TIMES, "asDouble": 1.5}],
            "aggregationTemporality": 2,
            "isMonotonic": True,
        },
    },
    {
        "name": "latency",
        "unit": "s",
        "histogram": {
            "dataPoints": [
                {
                    **TIMES,
                    "count": "6",
                    "sum": 9.5,
                    "bucketCounts": ["1", "2", "3"],
                    "explicitBounds": [0.5, 1],
                }
            ],
            "aggregationTemporality": 2,
        },
    },
    {
        "name": "size",
        "exponentialHistogram": {
            "dataPoints": [
                {
                    **TIMES,
                    "count": "3",
                    "sum": 5.0,
                    "scale": 0,
                    "positive": {"offset": 0, "bucketCounts": ["1", "2"]},
                }
            ],
            "aggregationTemporality": 2,
        },
    },
    {
        "name": "rpc",
        "summary": {
            "dataPoints": [
                {
                    **TIMES,
                    "count": "2",
                    "sum": 3.0,
                    "quantileValues": [{"quantile": 0.5, "value": 1.0}],
                }
            ]
        },
    },
    {
        "name": "odd",
        "sum": {"dataPoints": [{**TIMES, "asInt": "1"}]},
    },
)


def as_protobuf(request: dict[str, Any]) -> bytes:
    message = json_format.ParseDict(request, CLASSES["Request"]())
    return bytes(message.SerializeToString())


def export(server: LocalServer, body: bytes, kind: str, **headers: str) -> Any:
    return server.client.post(
        "/prometheus/api/v1/otlp/v1/metrics",
        content=body,
        headers={"Content-Type": kind, **headers, **server.bearer(Role.OPERATOR)},
    )


def test_protobuf_and_json_bring_the_same() -> None:
    one, other = (
        convert(from_protobuf(as_protobuf(WHOLE))),
        convert(from_json(json.dumps(WHOLE).encode())),
    )

    assert one.labels == other.labels
    assert one.samples == other.samples
    assert str(one.histograms) == str(other.histograms)
    assert one.metadata == other.metadata


def test_names_labels_and_values_are_prometheus_s() -> None:
    with local_server() as server:
        answer = export(server, json.dumps(WHOLE).encode(), "application/json")
        vector = server.prometheus("query", query='{job="eu/shop"}', time=2).json()["data"][
            "result"
        ]
        metadata = server.store.metadata()

    assert answer.status_code == 200
    assert answer.json() == {
        "partialSuccess": {
            "rejectedDataPoints": "1",
            "errorMessage": "odd: its temporality is unspecified",
        }
    }
    found = {}
    for series in vector:
        labels = series["metric"]
        assert labels.pop("job") == "eu/shop"
        assert labels.pop("instance") == "i1"
        key = " ".join([labels.pop("__name__"), *(f"{k}={v}" for k, v in labels.items())])
        found[key] = series["value"][1] if "value" in series else series["histogram"][1]["buckets"]
    assert found == {
        "queue_size_ratio a_b=x": "-3",
        "work_time_milliseconds_total": "1.5",
        "latency_seconds_bucket le=0.5": "1",
        "latency_seconds_bucket le=1": "3",
        "latency_seconds_bucket le=+Inf": "6",
        "latency_seconds_sum": "9.5",
        "latency_seconds_count": "6",
        "size": [[0, "1", "2", "1"], [0, "2", "4", "2"]],
        "rpc quantile=0.5": "1",
        "rpc_sum": "3",
        "rpc_count": "2",
        "target_info host_name=h": "1",
    }
    assert metadata["queue_size_ratio"] == Metadata("gauge", "Waiting.", "")
    assert metadata["work_time_milliseconds_total"].type == "counter"
    assert metadata["latency_seconds"].unit == "seconds"


def test_packed_protobuf_and_a_point_without_a_value() -> None:
    gauge = {"dataPoints": [{**TIMES, "asDouble": 1.0, "flags": 0}]}
    ended = {"dataPoints": [{"timeUnixNano": "3000000000", "flags": 1}]}
    with local_server() as server:
        for points in (gauge, ended):
            body = as_protobuf(request_of({"name": "g", "gauge": points}))
            packed = gzip.compress(body)
            sent = export(server, packed, "application/x-protobuf", **{"Content-Encoding": "gzip"})
            assert (sent.status_code, sent.content) == (200, b"")
        alive = [
            len(server.prometheus("query", query="g", time=t).json()["data"]["result"])
            for t in (2, 3)
        ]

    assert alive == [1, 0]


ONE_POINT = {"dataPoints": [{"asInt": "1"}]}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (
            json.dumps(
                request_of({"name": "g", "description": None, "unit": None, "gauge": ONE_POINT})
            ).encode(),
            "application/json",
            200,
        ),
        (b"\x0a\x7f", "application/x-protobuf", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"resourceMetrics": 3}', "application/json", 400),
        (
            json.dumps(
                request_of({"name": "g", "gauge": {"dataPoints": [{"asInt": "x"}]}})
            ).encode(),
            "application/json",
            400,
        ),
        *(
            (
                json.dumps(request_of({"name": "g", field: wrong, "gauge": ONE_POINT})).encode(),
                "application/json",
                400,
            )
            for field in ("description", "unit")
            for wrong in ("\ud800", 5, ["x"], True)
        ),
        (b"", "text/plain", 415),
    ],
)
def test_what_is_wrong_is_refused(server: LocalServer, body: bytes, kind: str, status: int) -> None:
    assert export(server, body, kind).status_code == status
    assert server.prometheus("metadata").status_code == 200


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = convert(from_protobuf(data))
    except InputError:
        return
    assert len(found.samples) <= len(data)


def test_job_and_instance_of_a_point_stay_where_the_resource_has_none() -> None:
    points = [
        {**TIMES, "asInt": "1", "attributes": [text("job", job), text("instance", "own")]}
        for job in ("a", "b")
    ]
    request = request_of({"name": "m", "gauge": {"dataPoints": points}})
    request["resourceMetrics"][0]["resource"] = {"attributes": [text("service.instance.id", "i")]}
    assert convert(request).labels == [
        {"__name__": "m", "job": "a", "instance": "i"},
        {"__name__": "m", "job": "b", "instance": "i"},
    ]
    del request["resourceMetrics"][0]["resource"]
    assert [labels["instance"] for labels in convert(request).labels] == ["own", "own"]


def test_an_attribute_of_bytes_is_a_label_in_base64() -> None:
    octets = {"bytesValue": "AAH/"}
    attributes = [
        {"key": "id", "value": octets},
        {"key": "ids", "value": {"arrayValue": {"values": [octets]}}},
    ]
    point = {**TIMES, "asInt": "1", "attributes": attributes}
    request = {
        "resourceMetrics": [
            {"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [point]}}]}]}
        ]
    }
    packed = json_format.ParseDict(request, ExportMetricsServiceRequest()).SerializeToString()
    for one in (from_json(json.dumps(request).encode()), from_protobuf(packed)):
        assert convert(one).labels == [{"__name__": "m", "id": "AAH/", "ids": '["AAH/"]'}]


def test_names() -> None:
    assert metric_name("http.server.duration", "ms", counter=False, gauge=False) == (
        "http_server_duration_milliseconds"
    )
    assert metric_name("io", "By/s", counter=False, gauge=True) == "io_bytes_per_second"
    assert metric_name("total.requests", "{request}", counter=True, gauge=False) == "requests_total"
    assert metric_name("2x", "", counter=False, gauge=True) == "_2x"
    assert [label_name(n) for n in ("a.b", "1a", "_x", "__y")] == ["a_b", "key_1a", "key_x", "__y"]
