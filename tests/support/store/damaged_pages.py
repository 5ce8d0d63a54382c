"""The pages of a block on a simulated disk, and disks on which one of them is damaged."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from novaql import tsdb
from tests.support.disks.simulated_disk import STORE, SimulatedDisk


def files_of(disk: SimulatedDisk) -> Iterator[tuple[Path, bytes]]:
    """Files whose content is checked."""
    for path, content in sorted(disk.content().items()):
        if path.name != "LOCK":
            yield path, content


def stream_of(disk: SimulatedDisk, number: int, kind: str) -> Any:
    """The stream of pages of a kind in a block."""
    with tsdb.open(STORE, disk=disk, read_only=True) as database:
        block = database._state.current.blocks[number]
        for layer in block.layers():
            run: Any = layer.run
            streams: list[Any] = [run.times, run.values]
            for stream in streams:
                if stream.kind.decode() == kind:
                    return stream
    raise AssertionError(f"no pages of {kind}")


def pages(disk: SimulatedDisk, number: int, kind: str) -> list[tuple[int, int]]:
    """(offset, end) of each page of a kind in a block."""
    ends = stream_of(disk, number, kind).offset.tolist()
    return list(itertools.pairwise(ends))


def page_counts(disk: SimulatedDisk, number: int, kind: str) -> list[int]:
    """The number of values in each page."""
    counts: list[int] = np.diff(stream_of(disk, number, kind).first).tolist()
    return counts


def damaged_page(disk: SimulatedDisk, block: int, kind: str, page: int) -> SimulatedDisk:
    path = sorted(p for p, _ in files_of(disk) if p.suffix == ".block")[block]
    begin, end = pages(disk, block, kind)[page]
    content = bytearray(disk.content()[path])
    content[(begin + end) // 2] ^= 16
    changed = SimulatedDisk(disk.image)
    changed.put(path, bytes(content))
    return changed
