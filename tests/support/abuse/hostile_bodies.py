"""Bodies that are small on the wire and large in memory, on purpose; one of each kind."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import cramjam

from novaql.inputs.protobuf.wire import varint
from tests.support.abuse.hostile_arrow import (
    FULL,
    MB,
    compressed_buffers,
    deep_types,
    many_columns,
    many_empty_batches,
    nothing_but_rows,
    one_text_many_rows,
    run_ends,
    views,
    wide_rows,
    zipped,
)
from tests.support.abuse.hostile_body import (
    ARROW,
    FAMILIES,
    INFLUX,
    INGEST,
    LINES,
    OPENMETRICS,
    OTLP,
    PROTO,
    PROTO_2,
    TEXT,
    WRITE,
    Hostile,
    full,
)
from tests.support.abuse.long_lines import LONG_LINES


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def zstd(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data))


def sized(key: int, content: bytes) -> bytes:
    """A field of bytes of a protobuf message."""
    return bytes([key]) + varint(len(content)) + content


KEY = sized(0x0A, b"k")
LABEL = sized(0x0A, sized(0x0A, b"__name__") + sized(0x12, b"m"))
SERIES_1 = sized(
    0x0A, LABEL + b"\x12\x10\x09" + struct.pack("<d", 1.0) + b"\x10\x80\xd0\xd4\xa5\xbf1"
)


def nested(*keys: int, inner: bytes) -> bytes:
    for key in reversed(keys):
        inner = sized(key, inner)
    return inner


def text(piece: bytes, **more: Any) -> Hostile:
    return Hostile(INGEST, TEXT, lambda: zipped(full(piece)), "gzip", **more)


def written(make: Callable[[], bytes], **more: Any) -> Hostile:
    return Hostile(WRITE, PROTO, lambda: snappy(make()), "snappy", **more)


def written_2(make: Callable[[], bytes], **more: Any) -> Hostile:
    return Hostile(WRITE, PROTO_2, lambda: snappy(make()), "snappy", **more)


def otlp(make: Callable[[], bytes], **more: Any) -> Hostile:
    return Hostile(OTLP, PROTO, lambda: zipped(make()), "gzip", **more)


def otlp_points(points: Callable[[int], bytes]) -> bytes:
    """A request with one metric `m`, a gauge that fills the body."""
    return nested(0x0A, 0x12, 0x12, inner=sized(0x0A, b"m") + sized(0x2A, points(FULL - 64)))


def families(make: Callable[[], bytes], **more: Any) -> Hostile:
    return Hostile(INGEST, FAMILIES, lambda: zipped(make()), "gzip", **more)


def family(metrics: bytes, kind: int = 1) -> bytes:
    inner = sized(0x0A, b"m") + bytes([0x18, kind]) + metrics
    return varint(len(inner)) + inner


def members() -> bytes:
    """A gzip file with the largest number of members that is read, each a bomb."""
    return zipped(bytes(FULL)) * 15


def arrow(make: Callable[[], bytes], **more: Any) -> Hostile:
    return Hostile(INGEST, ARROW, make, **more)


def false_length() -> bytes:
    """Snappy: a body of a few bytes that declares the largest size of a body."""
    return varint(FULL) + snappy(SERIES_1)[1:]


def zstd_window(exponent: int) -> bytes:
    """A frame that requires a window of two to this power, and contains runs of zeros."""
    head = b"\x28\xb5\x2f\xfd\x00" + bytes([exponent - 10 << 3])
    run = (128 << 10 << 3 | 1 << 1).to_bytes(3, "little") + b"\n"
    last = (1 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\n"
    return head + run * (FULL // (128 << 10) - 1) + last


JSON_SERIES = b'{"metric":{"__name__":"m"},"value":1,"timestamp":1700000000000}\n'
JSON_LONG = b'{"metric":{"__name__":"m"},"values":[%s],"timestamps":[%s]}\n'
POINT_TIME = b"\x19" + struct.pack("<Q", 1_700_000_000_000_000_000)

KINDS: dict[str, Hostile] = {
    # Text.
    "text: newlines": text(b"\n", statuses=(200,)),
    "text: comments": text(b"#\n", statuses=(200,)),
    "text: longer comments": text(b"# x\n", statuses=(200,)),
    "text: comments behind samples": text(b"a 1\n" * 512 + b"#\n" * 30_000, statuses=(200,)),
    "text: blank and full lines in turn": text(b"\na 1\n", statuses=(200, 413)),
    "text: a 1": text(b"a 1\n", statuses=(200, 413)),
    "text: a 1 with zstd": Hostile(
        INGEST, TEXT, lambda: zstd(full(b"a 1\n")), "zstd", statuses=(200, 413)
    ),
    "text: hard numbers": text(b"a 1.00000000000000000001\n", statuses=(200, 413)),
    "text: braces in values": text(b'a{b="}"} 1\n', statuses=(200, 413)),
    "text: one line": Hostile(
        INGEST, TEXT, lambda: zipped(full(b"x", before=b'a{b="', behind=b'"} 1\n')), "gzip"
    ),
    "text: help lines": text(b"# HELP a b\n", statuses=(200,)),
    "text: carriage returns": text(b"\r\n", statuses=(200,)),
    "text: windows that are huge": Hostile(
        INGEST, TEXT, lambda: zstd_window(41), "zstd", statuses=(400,)
    ),
    "text: windows that are large": Hostile(
        INGEST, TEXT, lambda: zstd_window(27), "zstd", statuses=(200, 400)
    ),
    "text: gzip of many members": Hostile(INGEST, TEXT, members, "gzip", statuses=(400, 413)),
    "openmetrics: newlines": Hostile(
        INGEST, OPENMETRICS, lambda: zipped(full(b"\n")), "gzip", statuses=(400,)
    ),
    "openmetrics: comments": Hostile(
        INGEST, OPENMETRICS, lambda: zipped(full(b"# \n")), "gzip", statuses=(400,)
    ),
    "openmetrics: a 1": Hostile(
        INGEST,
        OPENMETRICS,
        lambda: zipped(full(b"a 1\n", behind=b"# EOF\n")),
        "gzip",
        statuses=(200, 413),
    ),
    "openmetrics: a 1 without an end": Hostile(
        INGEST, OPENMETRICS, lambda: zipped(full(b"a 1\n")), "gzip"
    ),
    # Line protocol.
    "influx: newlines": Hostile(
        INGEST, INFLUX, lambda: zipped(full(b"\n")), "gzip", statuses=(200,)
    ),
    "influx: comments": Hostile(
        INGEST, INFLUX, lambda: zipped(full(b"#\n")), "gzip", statuses=(200,)
    ),
    "influx: a b=1": Hostile(
        INGEST, INFLUX, lambda: zipped(full(b"a b=1\n")), "gzip", statuses=(200, 413)
    ),
    "influx: a 1": Hostile(INGEST, INFLUX, lambda: zipped(full(b"a 1\n")), "gzip"),
    "influx: lines at fault": Hostile(
        "/write", TEXT, lambda: zipped(full(b"a\n")), "gzip"
    ),
    "influx: one line of many fields": Hostile(
        INGEST,
        INFLUX,
        lambda: zipped(full(b"b=1,", before=b"a ", behind=b"b=1\n")),
        "gzip",
        statuses=(200, 400, 413),
    ),
    # JSON lines.
    "json lines: newlines": Hostile(
        INGEST, LINES, lambda: zipped(full(b"\n")), "gzip", statuses=(200,)
    ),
    "json lines: {}": Hostile(INGEST, LINES, lambda: zipped(full(b"{}\n")), "gzip"),
    "json lines: one sample a line": Hostile(
        INGEST, LINES, lambda: zipped(full(JSON_SERIES)), "gzip", statuses=(200, 413)
    ),
    "json lines: one line of objects": Hostile(
        INGEST,
        LINES,
        lambda: zipped(full(b"{},", before=b'{"a":[', behind=b"{}]}\n")),
        "gzip",
    ),
    "json lines: one line of samples": Hostile(
        INGEST,
        LINES,
        lambda: zipped(
            JSON_LONG % (b"0," * (FULL // 4 - 100) + b"0", b"1," * (FULL // 4 - 100) + b"1")
        ),
        "gzip",
        statuses=(200, 413),
    ),
    "json lines: one line of nulls": Hostile(
        "/prometheus/api/v1/import",
        LINES,
        lambda: zipped(
            JSON_LONG % (b"null," * (FULL // 7 - 100) + b"null", b"1," * (FULL // 7 - 100) + b"1")
        ),
        "gzip",
        statuses=(204, 413),
    ),
    # Remote write 1.0.
    "write 1: a false length": Hostile(WRITE, PROTO, false_length, "snappy", unpacked=0),
    "write 1: empty series": written(lambda: full(b"\x0a\x00")),
    "write 1: empty metadata": written(lambda: full(b"\x1a\x00"), statuses=(204, 400, 413)),
    "write 1: empty samples": written(
        lambda: sized(0x0A, LABEL + b"\x12\x00" * (FULL // 2 - 100)), statuses=(204, 413)
    ),
    "write 1: empty samples of many series": written(
        lambda: full(sized(0x0A, LABEL + b"\x12\x00" * 100)), statuses=(204, 413)
    ),
    "write 1: empty labels": written(lambda: sized(0x0A, b"\x0a\x00" * (FULL // 2 - 100))),
    "write 1: empty exemplars": written(
        lambda: sized(0x0A, LABEL + b"\x1a\x00" * (FULL // 2 - 100)), statuses=(204, 400, 413)
    ),
    "write 1: empty histograms": written(
        lambda: sized(0x0A, LABEL + b"\x22\x00" * (FULL // 2 - 100)), statuses=(204, 400, 413)
    ),
    "write 1: groups": written(lambda: full(b"\x0b"), statuses=(400,)),
    "write 1: series without labels": written(lambda: full(b"\x0a\x02\x12\x00")),
    "write 1: series in turn with faults": written(lambda: full(SERIES_1 + b"\x0a\x02\x12\x00")),
    "write 1: zstd": Hostile(WRITE, PROTO, lambda: zstd(full(b"\x0a\x00")), "zstd"),
    # Remote write 2.0.
    "write 2: empty series": written_2(lambda: full(b"\x2a\x00")),
    "write 2: empty symbols": written_2(lambda: full(b"\x22\x00"), statuses=(204, 400, 413)),
    "write 2: short symbols": written_2(
        lambda: full(b"\x22\x02ab", before=b"\x22\x00"), statuses=(204, 400, 413)
    ),
    "write 2: empty samples": written_2(
        lambda: b"\x22\x00"
        + sized(0x22, b"__name__")
        + sized(0x22, b"m")
        + sized(0x2A, b"\x0a\x02\x01\x02" + b"\x12\x00" * (FULL // 2 - 100)),
        statuses=(204, 413),
    ),
    "write 2: samples with starts": written_2(
        lambda: b"\x22\x00"
        + sized(0x22, b"__name__")
        + sized(0x22, b"m")
        + sized(
            0x2A,
            b"\x0a\x02\x01\x02"
            + sized(0x12, b"\x09" + bytes(8) + b"\x10\x80\xd0\xd4\xa5\xbf1\x18\x01")
            * (FULL // 21 - 100),
        ),
        statuses=(204, 413),
    ),
    "write 2: empty exemplars": written_2(
        lambda: b"\x22\x00"
        + sized(0x22, b"__name__")
        + sized(0x22, b"m")
        + sized(0x2A, b"\x0a\x02\x01\x02" + b"\x22\x00" * (FULL // 2 - 100)),
        statuses=(204, 400, 413),
    ),
    "write 2: empty histograms": written_2(
        lambda: b"\x22\x00"
        + sized(0x22, b"__name__")
        + sized(0x22, b"m")
        + sized(0x2A, b"\x0a\x02\x01\x02" + b"\x1a\x00" * (FULL // 2 - 100)),
        statuses=(204, 400, 413),
    ),
    # OTLP.
    "otlp: empty resources": otlp(lambda: full(b"\x0a\x00"), statuses=(200, 413)),
    "otlp: empty scopes": otlp(
        lambda: sized(0x0A, b"\x12\x00" * (FULL // 2 - 8)), statuses=(200, 413)
    ),
    "otlp: empty metrics": otlp(
        lambda: nested(0x0A, 0x12, inner=b"\x12\x00" * (FULL // 2 - 16)), statuses=(200, 400, 413)
    ),
    "otlp: empty points": otlp(
        lambda: otlp_points(lambda room: b"\x0a\x00" * (room // 2)), statuses=(200, 413)
    ),
    "otlp: empty attributes": otlp(
        lambda: otlp_points(lambda room: sized(0x0A, b"\x3a\x00" * (room // 2 - 8))),
        statuses=(200, 400, 413),
    ),
    "otlp: empty attributes of a resource": otlp(
        lambda: nested(0x0A, 0x0A, inner=b"\x0a\x00" * (FULL // 2 - 16)), statuses=(200, 413)
    ),
    "otlp: buckets": otlp(
        lambda: nested(
            0x0A, 0x12, 0x12, inner=sized(0x0A, b"m")
            + sized(0x4A, sized(0x0A, POINT_TIME + sized(0x32, bytes(FULL - 200))) + b"\x10\x02"),
        ),
        statuses=(200, 400, 413),
    ),
    "otlp: arrays of arrays": otlp(
        lambda: otlp_points(
            lambda room: sized(
                0x0A,
                nested(
                    0x3A,
                    inner=KEY + nested(0x12, 0x2A, inner=b"\x0a\x00" * (room // 2 - 32)),
                ),
            )
        ),
        statuses=(200, 400, 413),
    ),
    "otlp json: empty resources": Hostile(
        OTLP,
        "application/json",
        lambda: zipped(full(b"{},", before=b'{"resourceMetrics":[', behind=b"{}]}")),
        "gzip",
        statuses=(200, 413),
    ),
    "otlp json: lists": Hostile(
        OTLP, "application/json",
        lambda: zipped(full(b"[],", before=b'{"a":[', behind=b"1]}")),
        "gzip", statuses=(200, 400, 413),
    ),
    "otlp json: numbers": Hostile(
        OTLP, "application/json",
        lambda: zipped(full(b"1e1,", before=b'{"a":[', behind=b"1]}")),
        "gzip", statuses=(200, 400, 413),
    ),
    # Metric families.
    "families: empty metrics": families(lambda: family(b"\x22\x00" * (FULL // 2 - 16))),
    "families: empty gauges": families(
        lambda: family(b"\x22\x02\x12\x00" * (FULL // 4 - 16)), statuses=(200, 413)
    ),
    "families: one after the other": families(
        lambda: full(family(b"\x22\x02\x12\x00")), statuses=(200, 413)
    ),
    "families: without metrics": families(lambda: full(family(b"")), statuses=(200, 413)),
    "families: empty buckets": families(
        lambda: family(sized(0x22, sized(0x3A, b"\x1a\x00" * (FULL // 2 - 32))), 4),
        statuses=(200, 400, 413),
    ),
    "families: no data": families(lambda: bytes(FULL)),
    # Arrow.
    "arrow: compressed buffers": arrow(compressed_buffers, statuses=(200, 413)),
    "arrow: rows of nothing": arrow(lambda: nothing_but_rows(1)),
    "arrow: many batches of nothing": arrow(lambda: nothing_but_rows(200)),
    "arrow: many empty batches": Hostile(
        INGEST, ARROW, many_empty_batches, "gzip", statuses=(200, 400, 413)
    ),
    "arrow: one text of many rows": arrow(one_text_many_rows, statuses=(200, 400, 413)),
    "arrow: views of one text": arrow(views, statuses=(200, 400, 413)),
    "arrow: run ends": arrow(run_ends, unpacked=0),
    "arrow: deep types": arrow(deep_types, unpacked=0),
    "arrow: many columns": Hostile(
        INGEST, ARROW, many_columns, "gzip", statuses=(200, 400, 413), unpacked=20 * MB
    ),
    "arrow: columns times labels": arrow(wide_rows, statuses=(200, 413)),
    # Remote read.
    "remote read: empty queries": Hostile(
        "/prometheus/api/v1/read", PROTO, lambda: snappy(b"\x0a\x00" * (MB // 2)), "snappy",
        statuses=(200, 400, 413), unpacked=MB,
    ),
    "remote read: empty matchers": Hostile(
        "/prometheus/api/v1/read", PROTO,
        lambda: snappy(sized(0x0A, b"\x1a\x00" * (MB // 2 - 8))), "snappy",
        statuses=(200, 400, 413), unpacked=MB,
    ),
    **LONG_LINES,
}  # fmt: skip
