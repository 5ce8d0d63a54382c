"""Writes the block that takes the place of others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from novaql.tsdb.block.pages import PageCache, page_bytes
from novaql.tsdb.block.reader import Block, BlockEntry
from novaql.tsdb.codec.columns import COMPACTION_LEVEL
from novaql.tsdb.compaction.flush import rewritten_name, write_content
from novaql.tsdb.compaction.merge import merged_content
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.parts.part import Part, PartWithTombstones
from novaql.tsdb.parts.tombstones import Tombstone, of_block
from novaql.tsdb.runtime.lru_cache import ByteCache

CACHE_BYTES = 64 << 20
"""Decoded pages in memory: neighbours in the new block are often neighbours in the old ones."""


class Stopped(Exception):
    """A rewriting was told to stop. Nothing has changed."""


def rewrite(
    disk: Disk,
    folder: Path,
    group: Sequence[BlockEntry],
    tombstones: Sequence[Tombstone],
    stop: threading.Event,
    rollups_ms: Sequence[int] = (),
    thinned_ms: int = 0,
) -> BlockEntry | None:
    """Write blocks, given in order of age, as one; None if nothing of them is left.

    thinned_ms: one of the resolutions, of whose cells the last samples alone are to be left; 0: all

    The new block has the sequence of the youngest. Blocks and manifest stay as they are.

    Raises `OSError`, `Stopped`, `Corrupted`, or `Unreadable`; no new file is there then.
    """
    cache: PageCache = ByteCache(CACHE_BYTES, page_bytes)
    blocks = [Block(disk, folder, entry, cache) for entry in group]
    try:
        parts: list[Part] = []
        for block in blocks:
            deletions = of_block(tombstones, block.entry.name)
            parts.append(PartWithTombstones(block, deletions) if deletions else block)
        content = merged_content(parts)
        if content is None:
            return None

        def go_on() -> None:
            if stop.is_set():
                raise Stopped

        youngest = max(entry.sequence for entry in group)
        entry = write_content(
            disk,
            folder / rewritten_name(youngest),
            content,
            sequence=youngest,
            level=COMPACTION_LEVEL,
            rollups_ms=rollups_ms,
            thinned_ms=thinned_ms,
            between_pages=go_on,
        )
    finally:
        for block in blocks:
            block.close()
    return replace(entry, level=max(entry.level for entry in group) + 1)
