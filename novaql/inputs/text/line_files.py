"""Files of lines: JSON lines and Influx line protocol, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from novaql.inputs.batch_stream import Progress
from novaql.inputs.compression import open_plain
from novaql.inputs.read_options import ReadOptions
from novaql.inputs.text.exposition import whole_lines
from novaql.inputs.text.influx import InfluxParser
from novaql.inputs.text.influx_texts import joined_texts
from novaql.inputs.text.json_lines import JsonLinesParser
from novaql.tsdb.model.samples import Batch


def read_json_lines(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Batches of a file. Raises `InputError` with the line."""
    parser = JsonLinesParser(what=str(path))
    for block, before in _blocks(path, options.progress):
        batch = parser.feed(block, default_time_ms=options.time_ms, lines_before=before)
        if len(batch):
            yield batch


def read_influx(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Batches of a file. Raises `InputError` with the line."""
    parser = InfluxParser(what=str(path))
    for block, before in _blocks(path, options.progress, joined_texts):
        batch = parser.feed(
            block,
            default_time_ms=options.time_ms,
            precision=options.files.precision,
            lines_before=before,
        )
        if len(batch):
            yield batch


def _blocks(
    path: Path,
    progress: Progress,
    join: Callable[[Iterable[bytes]], Iterable[bytes]] = iter,
) -> Iterator[tuple[bytes, int]]:
    """Blocks of whole lines, each with the number of lines before it."""
    before = 0
    with open_plain(path, progress) as file:
        for block in join(whole_lines(file)):
            yield block, before
            before += block.count(b"\n")
