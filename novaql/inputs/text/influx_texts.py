"""Quoted texts of Influx line protocol that contain line breaks, such as messages of logs.

The fields beside such a text are numbers like all others, and a line of the text is no point, even
if it looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from novaql.inputs.text.influx_line import InfluxProblem, read_line

LONGEST = 64 << 10
"""Bytes of a point with such a text. InfluxDB limits a text to as many."""
# A text that has no end in its line. In a tag, quotes are ordinary characters.
_OPEN = re.compile(rb'="(?:[^"\\\n]++|\\[^\n])*+\\?+\n')
_POINT = re.compile(
    rb"[ \t]*+(?!#)(?:[^\\\n ]++|\\ ?+)++ "  # measurement and tags
    rb'(?:[^"\n]++|(?<!=)"|(?<==)"(?:[^"\\]++|\\.)*+")*+\n',
    re.DOTALL,
)


def joined_texts(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of whole lines with each point in one line: line breaks in its texts are blanks, and
    as many empty lines follow, so that other lines have the same numbers as before.

    Lines that are no point together are as they were.
    """
    rest = b""
    for block in blocks:
        block, rest = _joined(rest + block, last=False)
        if block:
            yield block
    if rest:
        yield _joined(rest, last=True)[0]


def _joined(block: bytes, *, last: bool) -> tuple[bytes, bytes]:
    """The lines, and those at the end whose text may end in the next block."""
    if b'="' not in block:  # faster than the expression
        return block, b""
    parts: list[bytes] = []
    done = at = 0
    while (found := _OPEN.search(block, at)) is not None:
        begin = block.rfind(b"\n", 0, found.start()) + 1
        point = _POINT.match(block, begin, begin + LONGEST)
        if point is None:
            if not last and len(block) - begin < LONGEST:
                return b"".join([*parts, block[done:begin]]), block[begin:]
            at = max(found.end(), begin + LONGEST)  # not line by line, which may take long
            continue
        at = max(found.end(), point.end())
        breaks = point[0].count(b"\n")
        line = point[0][:-1].replace(b"\n", b" ")
        if breaks > 1 and _is_point(line):
            parts += (block[done:begin], line, b"\n" * breaks)
            done = at
    return b"".join([*parts, block[done:]]), b""


def _is_point(line: bytes) -> bool:
    try:
        read_line(line.removesuffix(b"\r"))
    except InfluxProblem:
        return False
    return True
