"""The metrics of an OTLP export, found by a compiled scan.

Every position is verified before it is read: `field_bounds` returns only ranges inside of the
message.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.inputs.compiled.text_table_kernels import BYTES, OUT_INTS, OUT_INTS_2D
from novaql.inputs.otlp.limits import LARGEST_MESSAGE
from novaql.inputs.remote_write.walk_kernels import field_bounds, varint
from novaql.tsdb.runtime.compiled import inner, kernel

# The number of a field times 8, plus its wire type: 0 varint, 1 eight bytes, 2 length.
_RESOURCE_METRICS = 0x0A  # of an export
_RESOURCE, _SCOPE_METRICS, _SCHEMA_URL = 0x0A, 0x12, 0x1A  # of resource metrics
_SCOPE, _METRIC = 0x0A, 0x12  # of scope metrics, which have a schema URL, too
_NAME, _DESCRIPTION, _UNIT, _METADATA = 0x0A, 0x12, 0x1A, 0x62  # of a metric
_GAUGE, _SUM, _HISTOGRAM = 0x2A, 0x3A, 0x4A
_POINT, _TEMPORALITY, _MONOTONIC = 0x0A, 0x10, 0x18  # of a gauge, sum or histogram

HISTOGRAM = _HISTOGRAM >> 3
"""The kind of a histogram."""
_MOST = np.uint64(255)


@inner
def _is_ascii(data: Any, at: int, stop: int) -> bool:
    """Whether a text needs no verification of its UTF-8."""
    bits = 0
    for place in range(at, stop):
        bits |= data[place]
    return bits < 0x80


@inner
def _read_metric(data: Any, begin: int, stop: int, out: Any, row: int) -> bool:
    """Read a metric into columns 2 to 10 of a row, see `scan_export`."""
    out[row, 2], out[row, 3], out[row, 4] = begin, begin, stop
    for column in range(5, 11):
        out[row, column] = 0
    at = begin
    while at < stop:
        key = data[at]
        if key != _NAME and key != _DESCRIPTION and key != _UNIT and key != _METADATA:
            break
        first, at = field_bounds(data, at + 1, stop)
        if first < 0:
            return False
    out[row, 3] = at
    if (
        at >= stop
        or at - begin > LARGEST_MESSAGE
        or (data[at] != _GAUGE and data[at] != _SUM and data[at] != _HISTOGRAM)
    ):
        return True
    kind = np.int64(data[at] >> 3)
    place, end = field_bounds(data, at + 1, stop)
    if place < 0 or end != stop:
        return True
    out[row, 6] = place
    while place < end and data[place] == _POINT:
        first, place = field_bounds(data, place + 1, end)
        if first < 0:
            return True
    out[row, 7], out[row, 8] = place, end
    while place < end:
        key = data[place]
        value, place = varint(data, place + 1, end)
        if place < 0 or (key != _TEMPORALITY and key != _MONOTONIC):
            return True
        out[row, 9 if key == _TEMPORALITY else 10] = np.int64(min(value, _MOST))
    out[row, 5] = kind
    return True


@kernel(BYTES, OUT_INTS, OUT_INTS_2D)
def scan_export(data: Any, state: Any, metrics: Any) -> Any:
    """The next metrics of an export, as many as `metrics` has rows.

    state    [8] where to go on: the position, the ends of the open resource metrics and scope
             metrics (0: none), begin and end of the resource, whether it had scope metrics, and
             begin and end of the scope; zeros at the beginning
    metrics  [:, 13] begin and end of the resource; begin of the metric, end of the fields before
             its data, and end of the metric; kind, the field of its data; begin and end of its
             points, and end of its data; its temporality; whether it is monotonic; begin and end
             of the scope. The kind is 0 if the walk cannot read the metric

    Returns the count of metrics; -1 for an export of another shape.
    """
    at, of_resource, of_scope, first, last, scoped, scope_begin, scope_end = state
    count, opened = 0, -1
    while count < len(metrics):
        if at < of_scope:
            key = data[at]
            begin, after = field_bounds(data, at + 1, of_scope)
            if begin < 0:
                return -1
            if key == _METRIC:
                metrics[count, 0], metrics[count, 1] = first, last
                metrics[count, 11], metrics[count, 12] = scope_begin, scope_end
                if not _read_metric(data, begin, after, metrics, count):
                    return -1
                count += 1
            elif key == _SCOPE and at == opened and after < of_scope:  # before its metrics
                scope_begin, scope_end = begin, after
            elif key != _SCHEMA_URL or not _is_ascii(data, begin, after):
                return -1
            at = after
        elif at < of_resource:
            key = data[at]
            begin, after = field_bounds(data, at + 1, of_resource)
            if begin < 0:
                return -1
            if key == _RESOURCE and not scoped and first == last:
                first, last, at = begin, after, after
            elif key == _SCOPE_METRICS:
                at, of_scope, scoped = begin, after, 1
                opened, scope_begin, scope_end = begin, begin, begin
            elif key == _SCHEMA_URL and _is_ascii(data, begin, after):
                at = after
            else:
                return -1
        elif at < len(data):
            begin, after = field_bounds(data, at + 1, len(data))
            if begin < 0 or data[at] != _RESOURCE_METRICS:
                return -1
            at, of_resource, of_scope, first, last, scoped = begin, after, 0, begin, begin, 0
        else:
            break
    state[0], state[1], state[2] = at, of_resource, of_scope
    state[3], state[4], state[5] = first, last, scoped
    state[6], state[7] = scope_begin, scope_end
    return count
