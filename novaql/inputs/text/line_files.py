"""Files of lines: JSON lines and Influx line protocol, block by block."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from novaql.inputs.batch_stream import Progress
from novaql.inputs.compression import open_plain
from novaql.inputs.text.exposition import whole_lines
from novaql.inputs.text.influx import InfluxParser
from novaql.inputs.text.json_lines import JsonLinesParser
from novaql.tsdb.model.samples import Batch


def read_json_lines(path: Path, default_time_ms: int | None, progress: Progress) -> Iterator[Batch]:
    """Batches of a file. Raises `InputError` with the line."""
    parser = JsonLinesParser(what=str(path))
    for block, before in _blocks(path, progress):
        batch = parser.feed(block, default_time_ms=_now(default_time_ms), lines_before=before)
        if len(batch):
            yield batch


def read_influx(
    path: Path, default_time_ms: int | None, precision: str, progress: Progress
) -> Iterator[Batch]:
    """Batches of a file. Raises `InputError` with the line."""
    parser = InfluxParser(what=str(path))
    for block, before in _blocks(path, progress):
        now_ms = _now(default_time_ms)
        batch = parser.feed(block, default_time_ms=now_ms, precision=precision, lines_before=before)
        if len(batch):
            yield batch


def _blocks(path: Path, progress: Progress) -> Iterator[tuple[bytes, int]]:
    """Blocks of whole lines, each with the number of lines before it."""
    before = 0
    with open_plain(path, progress) as file:
        for block in whole_lines(file):
            yield block, before
            before += block.count(b"\n")


def _now(default_time_ms: int | None) -> int:
    return round(time.time() * 1000) if default_time_ms is None else default_time_ms
