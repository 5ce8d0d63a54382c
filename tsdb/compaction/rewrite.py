"""Writes the block that replaces others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from novaql.tsdb.block.pages import PageCache
from novaql.tsdb.block.reader import Block, BlockEntry
from novaql.tsdb.block.writer import write_block
from novaql.tsdb.codec.columns import COMPACTION_LEVEL
from novaql.tsdb.compaction.flush import rewritten_name
from novaql.tsdb.compaction.merge import merged_content
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.parts.part import Part, PartWithTombstones
from novaql.tsdb.parts.tombstones import Tombstone, by_block
from novaql.tsdb.runtime.lru_cache import ByteCache

CACHE_BYTES = 64 << 20
"""Cache of decoded pages: neighbours in the new block are often neighbours in the old ones."""


class Stopped(Exception):
    """The rewrite was stopped by its caller. Nothing has changed."""


def rewrite(
    disk: Disk,
    folder: Path,
    group: Sequence[BlockEntry],
    tombstones: Sequence[Tombstone],
    stop: threading.Event,
    rollups_ms: Sequence[int] = (),
    downsampled_ms: int = 0,
) -> BlockEntry | None:
    """Write a group of blocks, in order of age, as one block. Returns None if no sample is left.

    downsampled_ms: 0, or one of the resolutions: only the last sample of each cell is written.

    The new block has the sequence of the youngest. Blocks and manifest are not changed.

    Raises `OSError`, `Stopped`, `Corrupted`, or `Unreadable`; there is then no new file.
    """
    cache: PageCache = ByteCache(CACHE_BYTES)
    blocks = [Block(disk, folder, entry, cache) for entry in group]
    try:
        parts: list[Part] = []
        deleted = by_block(tombstones)
        for block in blocks:
            deletions = deleted.get(block.entry.name)
            parts.append(PartWithTombstones(block, deletions) if deletions else block)
        content = merged_content(parts)
        if content is None:
            return None

        def go_on() -> None:
            if stop.is_set():
                raise Stopped

        youngest = max(entry.sequence for entry in group)
        entry = write_block(
            disk,
            folder / rewritten_name(youngest),
            content,
            sequence=youngest,
            level=COMPACTION_LEVEL,
            rollups_ms=rollups_ms,
            downsampled_ms=downsampled_ms,
            between_pages=go_on,
        )
    finally:
        for block in blocks:
            block.close()
    return replace(entry, level=max(entry.level for entry in group) + 1)
