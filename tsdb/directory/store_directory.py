"""The directory of an open store: its files, and atomic changes of its state."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.compaction.flush import write_head
from novaql.tsdb.directory import manifest as manifests
from novaql.tsdb.directory.manifest import Manifest
from novaql.tsdb.disk.vfs import Disk, Lock
from novaql.tsdb.errors import WriteFailed, write_failure
from novaql.tsdb.head.exemplar_buffer import ExemplarRing
from novaql.tsdb.head.head import HeadPart
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.options import OpenReport
from novaql.tsdb.parts.tombstones import Tombstone, carry_over, needed, with_tombstone
from novaql.tsdb.wal.record import encode_metadata
from novaql.tsdb.wal.writer import Log, Position, segment_name, segment_numbers

LOCK, LOG, BLOCKS, DAMAGED = "LOCK", "wal", "blocks", "damaged"


@dataclass(slots=True)
class Files:
    """The directory of an open store.

    One thread may commit a head while another one writes to the log and commits metadata.
    """

    disk: Disk
    path: Path
    manifest: Manifest
    lock: Lock | None
    log: Log | None
    report: OpenReport
    damaged_segments: frozenset[int] = frozenset()
    exemplars: ExemplarRing = field(default_factory=lambda: ExemplarRing(0))
    changing: threading.Lock = field(default_factory=threading.Lock)
    replacing: threading.Lock = field(default_factory=threading.Lock)  # taken before `changing`

    @property
    def blocks_path(self) -> Path:
        return self.path / BLOCKS

    def commit_head(self, head: HeadPart, log_start: int, block_ms: int) -> list[BlockEntry]:
        """Write the samples of a head to blocks, and drop the log before `log_start`.

        Raises `WriteFailed`; the log stays then, and the call may be repeated.
        """
        number, what = self.manifest.next_block, "flushing to a block"
        try:
            entries = write_head(self.disk, self.blocks_path, head, number, block_ms)
        except OSError as problem:
            raise write_failure(problem, what) from problem
        blocks = *self.manifest.blocks, *entries
        next_block = number + len(entries)
        self._replace_manifest(what, log_start=log_start, next_block=next_block, blocks=blocks)
        self.drop_log()
        return entries

    def _replace_manifest(self, what: str, **changes: Any) -> None:
        """Raises `WriteFailed`, with `what` was done; the old manifest is in place then."""
        with self.replacing:
            changed = replace(self.manifest, **changes)
            left = needed(changed.tombstones, changed.log_start)
            segments = self._owed_segments(changed.log_start)
            changed = replace(changed, tombstones=left, segments=segments)
            try:
                written = manifests.write(self.disk, self.path, changed)
            except OSError as problem:
                raise write_failure(problem, what) from problem
            with self.changing:  # metadata that arrived meanwhile is in the log
                self.manifest = replace(written, metadata=self.manifest.metadata)

    def _owed_segments(self, log_start: int) -> dict[int, int]:
        assert self.log is not None
        return {n: size for n, size in dict(self.log.safe).items() if n >= log_start}

    def name_segments(self) -> None:
        """Name the segments in the manifest before one is written to, so that its loss is noticed,
        and so that an older program refuses the store before the log has something that it cannot
        read.

        Raises `WriteFailed`.
        """
        self._replace_manifest("replacing the manifest")

    def _name_all_of_the_log(self) -> bool:
        """Update the manifest at close. False: it does not have the full size of the log."""
        if self.manifest.segments != self._owed_segments(self.manifest.log_start):
            try:
                self.name_segments()
            except WriteFailed:
                return False
        return True

    def commit_tombstone(self, tombstone: Tombstone) -> None:
        """Make a deletion durable, completely or not at all. Raises `WriteFailed`."""
        tombstones = with_tombstone(self.manifest.tombstones, tombstone)
        self._replace_manifest("writing a deletion down", tombstones=tombstones)

    def commit_blocks(
        self,
        gone: Collection[str],
        added: Sequence[BlockEntry],
        applied: Collection[Tombstone],
    ) -> None:
        """Replace blocks by others, which were written with the tombstones `applied`.

        No head may be committed meanwhile. Raises `WriteFailed`; the manifest on disk may then be
        the old or the new one, so the caller removes no file of either.
        """
        manifest = self.manifest
        others = [entry for entry in manifest.blocks if entry.name not in gone]
        names = [entry.name for entry in added]
        self._replace_manifest(
            "putting blocks in the place of others",
            blocks=tuple(sorted([*others, *added], key=lambda entry: entry.sequence)),
            tombstones=carry_over(manifest.tombstones, gone, names, applied),
        )

    def log_bytes(self) -> int:
        """Return the size of the log, without segments whose size cannot be read."""
        size = 0
        with contextlib.suppress(OSError):
            for number in self.segments():
                with contextlib.suppress(OSError):
                    size += self.disk.size(self.path / LOG / segment_name(number))
        return size

    def commit_metadata(self, metadata: Mapping[str, Metadata]) -> Position:
        """Write metadata to the log at once; the manifest has it after its next write."""
        assert self.log is not None
        position = self.log.append_payload(encode_metadata(metadata))
        with self.changing:
            known = self.manifest.metadata
            self.manifest = replace(self.manifest, metadata={**known, **metadata})
        return position

    def drop_log(self) -> None:
        """Remove segments whose samples are in blocks. A later call removes those that cannot be
        removed now."""
        if self.log is not None:
            self.log.drop_before(self.manifest.log_start)
        try:
            segments = self.segments()
        except OSError:
            return
        for number in segments:
            if number >= self.manifest.log_start:
                break
            path = self.path / LOG / segment_name(number)
            try:
                if number in self.damaged_segments:  # its readable part may be of use
                    self.disk.make_dir(self.path / DAMAGED)
                    self.disk.rename(path, self.path / DAMAGED / path.name)
                else:
                    self.disk.unlink(path)
            except OSError:
                return

    def segments(self) -> list[int]:
        return segment_numbers(self.disk, self.path / LOG)

    def close(self) -> None:
        named = True
        if self.log is not None:
            self.log.close()
            named = self._name_all_of_the_log()
        if self.lock is not None:
            if self.log is None or (self.log.is_safe and not self.log.unended and named):
                self.lock.finish()
            else:  # the next opening must not report the log as truncated
                self.lock.release()
            self.lock = None
