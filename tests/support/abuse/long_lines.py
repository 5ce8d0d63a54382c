"""Bodies of one line: long names, texts and escapes, and those whose quotes do not end."""

from __future__ import annotations

from typing import Any

from tests.support.abuse.hostile_arrow import zipped
from tests.support.abuse.hostile_body import INFLUX, INGEST, LINES, OPENMETRICS, TEXT, Hostile, full


def one_line(piece: bytes, before: bytes, behind: bytes, **more: Any) -> Hostile:
    """A line as large as a body may be."""
    kind = more.pop("kind", TEXT)
    return Hostile(
        INGEST, kind, lambda: zipped(full(piece, before=before, behind=behind)), "gzip", **more
    )


LONG_LINES = {
    "text: a brace in a long text": one_line(b"x", b'a{b="}', b'"} 1\n'),
    "text: escapes in a long text": one_line(b"\\n", b'a{b="', b'"} 1\n'),
    "text: quotes in a long text": one_line(b'\\"', b'a{b="', b'"} 1\n'),
    "text: a long text without an end": one_line(b'\\"', b'a{b="', b"} 1\n"),
    "text: a long name in quotes": one_line(b"x", b'{"', b'",a="}"} 1\n'),
    "text: a long help": one_line(b"x", b'# HELP "', b'" x\n', statuses=(200, 400, 413)),
    "text: many labels in quotes": one_line(b'"a":"}",', b"a{", b"} 1\n"),
    "openmetrics: a long exemplar": one_line(
        b"x", b'a_total{b="}"} 1 # {c="}', b'"} 1\n# EOF\n', kind=OPENMETRICS, statuses=(200, 400)
    ),
    "openmetrics: many quotes in an exemplar": one_line(
        b'"}"', b'a_total{b="}"} 1 # {', b"} 1\n# EOF\n", kind=OPENMETRICS, statuses=(200, 400)
    ),
    "influx: a long tag": one_line(b"x", b"a,b=", b" c=1\n", kind=INFLUX),
    "influx: escapes in a tag": one_line(b"\\,", b"a,b=", b" c=1\n", kind=INFLUX),
    "influx: escapes in a measurement": one_line(b"\\ ", b"a", b" c=1\n", kind=INFLUX),
    "influx: a long text": one_line(
        b'\\"', b'a b="', b'",c=1\n', kind=INFLUX, statuses=(200, 400, 413)
    ),
    "influx: a long text without an end": one_line(b'\\"', b'a b="', b",c=1\n", kind=INFLUX),
    "influx: many tags": one_line(b",b=c", b"a", b" c=1\n", kind=INFLUX),
    "json lines: escapes in a long text": one_line(
        b"\\n", b'{"metric":{"__name__":"', b'"},"value":1,"timestamp":1}\n', kind=LINES
    ),
    "json lines: a long text without an end": one_line(
        b'\\"', b'{"metric":{"__name__":"', b"}}\n", kind=LINES
    ),
    "json lines: many labels": one_line(
        b'"a":"b",',
        b'{"metric":{',
        b'"a":"b"},"value":1,"timestamp":1}\n',
        kind=LINES,
        statuses=(200, 400),
    ),
}
