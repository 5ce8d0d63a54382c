"""Decode OTLP metrics in protobuf or JSON to the same plain data.

Messages are dicts with the field names of OTLP's JSON. Absent fields have no key.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from novaql import InputError, LimitExceeded
from novaql.inputs.protobuf import BYTES, FIXED64, VARINT, fields, read_varint, signed, text

Message = dict[str, Any]
_DEEPEST = 32
_DOUBLE, _FIXED = struct.Struct("<d"), struct.Struct("<Q")

# Field number → name and kind; a list: repeated. `_one` decodes the kinds that are not messages.
_NUMBER_POINT: dict[int, tuple[str, Any]] = {
    2: ("startTimeUnixNano", "fixed"),
    3: ("timeUnixNano", "fixed"),
    4: ("asDouble", "double"),
    6: ("asInt", "sfixed"),
    7: ("attributes", ["KeyValue"]),
    8: ("flags", "uint"),
}
_POINT: dict[int, tuple[str, Any]] = {
    2: ("startTimeUnixNano", "fixed"),
    3: ("timeUnixNano", "fixed"),
    4: ("count", "fixed"),
    5: ("sum", "double"),
}
SCHEMA: dict[str, dict[int, tuple[str, Any]]] = {
    "Request": {1: ("resourceMetrics", ["ResourceMetrics"])},
    "ResourceMetrics": {1: ("resource", "Resource"), 2: ("scopeMetrics", ["ScopeMetrics"])},
    "Resource": {1: ("attributes", ["KeyValue"])},
    "ScopeMetrics": {2: ("metrics", ["Metric"])},
    "Metric": {
        1: ("name", "text"),
        2: ("description", "text"),
        3: ("unit", "text"),
        5: ("gauge", "Gauge"),
        7: ("sum", "Sum"),
        9: ("histogram", "Histogram"),
        10: ("exponentialHistogram", "ExponentialHistogram"),
        11: ("summary", "Summary"),
    },
    "Gauge": {1: ("dataPoints", ["NumberPoint"])},
    "Sum": {
        1: ("dataPoints", ["NumberPoint"]),
        2: ("aggregationTemporality", "uint"),
        3: ("isMonotonic", "bool"),
    },
    "Histogram": {1: ("dataPoints", ["HistogramPoint"]), 2: ("aggregationTemporality", "uint")},
    "ExponentialHistogram": {
        1: ("dataPoints", ["ExponentialPoint"]),
        2: ("aggregationTemporality", "uint"),
    },
    "Summary": {1: ("dataPoints", ["SummaryPoint"])},
    "NumberPoint": _NUMBER_POINT,
    "HistogramPoint": {
        **_POINT,
        6: ("bucketCounts", ["fixed"]),
        7: ("explicitBounds", ["double"]),
        9: ("attributes", ["KeyValue"]),
        10: ("flags", "uint"),
    },
    "ExponentialPoint": {
        **_POINT,
        1: ("attributes", ["KeyValue"]),
        6: ("scale", "sint"),
        7: ("zeroCount", "fixed"),
        8: ("positive", "Buckets"),
        9: ("negative", "Buckets"),
        10: ("flags", "uint"),
        14: ("zeroThreshold", "double"),
    },
    "Buckets": {1: ("offset", "sint"), 2: ("bucketCounts", ["uint"])},
    "SummaryPoint": {
        **_POINT,
        6: ("quantileValues", ["Quantile"]),
        7: ("attributes", ["KeyValue"]),
        8: ("flags", "uint"),
    },
    "Quantile": {1: ("quantile", "double"), 2: ("value", "double")},
    "KeyValue": {1: ("key", "text"), 2: ("value", "AnyValue")},
    "AnyValue": {
        1: ("stringValue", "text"),
        2: ("boolValue", "bool"),
        3: ("intValue", "int"),
        4: ("doubleValue", "double"),
        5: ("arrayValue", "Array"),
        6: ("kvlistValue", "KeyValues"),
    },
    "Array": {1: ("values", ["AnyValue"])},
    "KeyValues": {1: ("values", ["KeyValue"])},
}


def from_protobuf(data: bytes) -> Message:
    """Decode an `ExportMetricsServiceRequest` in protobuf. Raises `InputError`."""
    return message_of(data, 0, len(data), "Request", 0)


def from_json(data: bytes) -> Message:
    """Decode an `ExportMetricsServiceRequest` in JSON. Raises `InputError`. It does not check
    the fields."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"the body is not JSON: {problem}") from None
    if not isinstance(found, dict):
        raise InputError("the body is no JSON object")
    return found


def message_of(
    data: bytes,
    at: int,
    stop: int,
    kind: str,
    depth: int,
    *,
    without: tuple[int, ...] = (),
    most_bytes: int = 1 << 62,
) -> Message:
    """Decode the message in data[at:stop]. Raises `InputError`, `LimitExceeded`.

    without     numbers of fields to skip
    most_bytes  limit for the size of the other fields
    """
    if depth > _DEEPEST:
        raise InputError(f"byte {at}: messages are nested too deeply")
    schema = SCHEMA[kind]
    out: Message = {}
    for number, wire, first, last in fields(data, at, stop):
        known = schema.get(number)
        if known is None or number in without:
            continue
        most_bytes -= last - first + 2
        if most_bytes < 0:
            raise LimitExceeded("a message in it has too many bytes")
        name, of = known
        if not isinstance(of, list):
            out[name] = _one(data, first, last, wire, of, depth)
        elif wire == BYTES and of[0] in ("fixed", "double", "uint"):
            out.setdefault(name, []).extend(_packed(data, first, last, of[0]))
        else:
            out.setdefault(name, []).append(_one(data, first, last, wire, of[0], depth))
    return out


def _one(data: bytes, first: int, last: int, wire: int, kind: str, depth: int) -> Any:
    wanted = {"fixed": FIXED64, "sfixed": FIXED64, "double": FIXED64}.get(
        kind, VARINT if kind in ("uint", "int", "sint", "bool") else BYTES
    )
    if wire != wanted:
        raise InputError(f"byte {first}: a field has wire type {wire}, not {wanted}")
    if kind == "text":
        return text(data, first, last)
    if kind == "double":
        return _DOUBLE.unpack_from(data, first)[0]
    if kind in ("fixed", "sfixed"):
        number = int(_FIXED.unpack_from(data, first)[0])
        return signed(number) if kind == "sfixed" else number
    if wanted == BYTES:
        return message_of(data, first, last, kind, depth + 1)
    number = read_varint(data, first, last)[0]
    if kind == "sint":
        return (number >> 1) ^ -(number & 1)
    return bool(number) if kind == "bool" else signed(number) if kind == "int" else number


def _packed(data: bytes, first: int, last: int, kind: str) -> list[Any]:
    if kind == "uint":
        numbers = []
        while first < last:
            number, first = read_varint(data, first, last)
            numbers.append(number)
        return numbers
    if (last - first) % 8:
        raise InputError(f"byte {first}: packed numbers of 8 bytes have {last - first} bytes")
    one = _DOUBLE if kind == "double" else _FIXED
    return [value for (value,) in one.iter_unpack(data[first:last])]
