"""Decode OTLP metrics in protobuf or JSON to the same plain data."""

from __future__ import annotations

import json
from functools import cache

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtobufMessage
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from novaql import InputError
from novaql.server.ingest.otlp_values import Message

REQUEST: Descriptor = ExportMetricsServiceRequest.DESCRIPTOR
METRIC: Descriptor = Metric.DESCRIPTOR
RESOURCE: Descriptor = Resource.DESCRIPTOR
SCOPE: Descriptor = InstrumentationScope.DESCRIPTOR
_LEFT_OUT = ("exemplars", "schemaUrl", "scope")
"""Fields that nothing reads."""


def from_protobuf(data: bytes, kind: Descriptor = REQUEST) -> Message:
    """Decode a message, by default a whole request. Raises `InputError`."""
    try:
        return _plain(GetMessageClass(kind).FromString(data))
    except DecodeError as problem:
        raise InputError(f"the body is no protobuf of OTLP: {problem}") from None


def from_json(data: bytes) -> Message:
    """Decode a request in JSON. Raises `InputError`. It does not check the fields."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"the body is not JSON: {problem}") from None
    if not isinstance(found, dict):
        raise InputError("the body is no JSON object")
    return found


def _plain(message: ProtobufMessage) -> Message:
    fields = _fields(message.DESCRIPTOR)
    out: Message = {}
    for field, value in message.ListFields():
        found = fields.get(field.number)
        if found is None:
            continue
        name, nested, repeated = found
        if not nested:
            out[name] = list(value) if repeated else value
        elif repeated:
            out[name] = [_plain(one) for one in value]
        else:
            out[name] = _plain(value)
    return out


@cache
def _fields(kind: Descriptor) -> dict[int, tuple[str, bool, bool]]:
    """Number of a field → its name, whether it is a message, and whether it is repeated."""
    return {
        field.number: (field.json_name, field.message_type is not None, field.is_repeated)
        for field in kind.fields
        if field.json_name not in _LEFT_OUT
    }
