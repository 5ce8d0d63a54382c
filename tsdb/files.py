"""The directory of a store: opening it, what is in it, and changing what it consists of."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tsdb import manifest as manifests
from tsdb.block.reader import BlockEntry
from tsdb.errors import NotAStore, ReadFailed, StoreLocked, StoreNotFound, write_failure
from tsdb.flush import write_head
from tsdb.fsio import Disk, Lock
from tsdb.head.head import Head, HeadPart
from tsdb.manifest import Manifest
from tsdb.options import OpenReport, StoreOptions, Sync
from tsdb.selection import Metadata
from tsdb.tombstones import Tombstone, needed
from tsdb.wal.reader import Replay, replay
from tsdb.wal.record import encode_metadata
from tsdb.wal.writer import Log, segment_name, segment_number

LOCK, LOG, BLOCKS, DAMAGED = "LOCK", "wal", "blocks", "damaged"
_OURS = {LOCK, LOG, BLOCKS, DAMAGED, manifests.NAME, manifests.NAME + ".new"}
_READ_ATTEMPTS = 50


@dataclass(slots=True)
class Files:
    """A store's directory while it is open.

    One thread may commit a head while another one writes to the log and commits metadata.
    """

    disk: Disk
    path: Path
    manifest: Manifest
    lock: Lock | None
    log: Log | None
    report: OpenReport
    damaged_segments: frozenset[int] = frozenset()
    changing: threading.Lock = field(default_factory=threading.Lock)
    replacing: threading.Lock = field(default_factory=threading.Lock)  # before `changing`

    @property
    def blocks_path(self) -> Path:
        return self.path / BLOCKS

    def commit_head(self, head: HeadPart, log_start: int, block_ms: int) -> list[BlockEntry]:
        """Put a head's samples into blocks and give up the log before `log_start`.

        Raises `WriteFailed`; the log stands then, and this may be tried again.
        """
        number = self.manifest.next_block
        try:
            entries = write_head(self.disk, self.blocks_path, head, number, block_ms)
            self._replace_manifest(
                log_start=log_start,
                next_block=number + len(entries),
                blocks=(*self.manifest.blocks, *entries),
            )
        except OSError as problem:
            raise write_failure(problem, "flushing to a block") from problem
        self.drop_log()
        return entries

    def _replace_manifest(self, **changes: Any) -> None:
        """Raises `OSError`; the old one stands then."""
        with self.replacing:
            changed = replace(self.manifest, **changes)
            left = needed(changed.tombstones, changed.log_start)
            changed = replace(changed, tombstones=left)
            manifests.write(self.disk, self.path, changed)
            with self.changing:  # metadata may have come meanwhile; the log has it
                self.manifest = replace(changed, metadata=self.manifest.metadata)

    def allow(self, version: int) -> None:
        """Before the first segment of a format is written: older programs must refuse the store.

        Raises `WriteFailed`.
        """
        if self.manifest.version >= version:
            return
        try:
            self._replace_manifest(version=version)
        except OSError as problem:
            raise write_failure(problem, "replacing the manifest") from problem

    def commit_tombstone(self, tombstone: Tombstone) -> None:
        """Make a deletion durable, whole or not at all. Raises `WriteFailed`."""
        try:
            self._replace_manifest(
                version=manifests.LATEST_FORMAT,
                tombstones=(*self.manifest.tombstones, tombstone),
            )
        except OSError as problem:
            raise write_failure(problem, "writing a deletion down") from problem

    def commit_metadata(self, metadata: Mapping[str, Metadata]) -> None:
        """Metadata goes into the log at once, and into the manifest whenever that is written."""
        assert self.log is not None
        self.log.append_payload(encode_metadata(metadata))
        with self.changing:
            known = self.manifest.metadata
            self.manifest = replace(self.manifest, metadata={**known, **metadata})

    def drop_log(self) -> None:
        """Remove segments whose samples are in blocks. What cannot be removed goes another time."""
        for number in self.segments():
            if number >= self.manifest.log_start:
                break
            path = self.path / LOG / segment_name(number)
            try:
                if number in self.damaged_segments:  # somebody may still get something out of it
                    self.disk.make_dir(self.path / DAMAGED)
                    self.disk.rename(path, self.path / DAMAGED / path.name)
                else:
                    self.disk.unlink(path)
            except OSError:
                return

    def segments(self) -> list[int]:
        names = self.disk.names(self.path / LOG)
        return sorted(n for name in names if (n := segment_number(name)) is not None)

    def close(self) -> None:
        if self.log is not None:
            self.log.close()
        if self.lock is not None:
            self.lock.release()
            self.lock = None


def open_files(
    disk: Disk, path: Path, options: StoreOptions, *, read_only: bool
) -> tuple[Files, Head]:
    """Open or create a store, and read its log into a head."""
    began = time.monotonic()
    if read_only:
        return _open_to_read(disk, path, began)
    head = Head()
    lock = _prepare(disk, path)
    try:
        manifest = manifests.read(disk, path)
        if manifest is None:
            manifest = Manifest(secrets.token_bytes(16))
            manifests.write(disk, path, manifest)
        files = Files(disk, path, manifest, lock, None, OpenReport())
        removed = _remove_strays(files)
        found = replay(
            disk, path / LOG, manifest.store,
            [n for n in files.segments() if n >= manifest.log_start], head, manifest.tombstones,
        )  # fmt: skip
        for number, size in found.torn.items():
            _cut(disk, path / LOG / segment_name(number), size)
        next_segment = max([manifest.log_start - 1, *files.segments()]) + 1
        files.log = Log(
            disk, path / LOG, manifest.store, next_segment,
            segment_bytes=options.segment_bytes, sync_when_full=options.sync is not Sync.OS,
        )  # fmt: skip
        files.drop_log()
    except OSError as problem:
        lock.release()
        raise write_failure(problem, f"opening {path}") from problem
    except BaseException:
        lock.release()
        raise
    _take_replay(files, found, removed, began)
    return files, head


def _take_replay(files: Files, found: Replay, removed: Sequence[str], began: float) -> None:
    files.damaged_segments = frozenset(found.damaged)
    files.manifest = replace(files.manifest, metadata={**files.manifest.metadata, **found.metadata})
    files.report = OpenReport(
        replayed=found.samples,
        torn_bytes=found.torn_bytes,
        damaged=tuple(
            f"{LOG}/{segment_name(number)}: {place}"
            for number, places in found.damaged.items()
            for place in places
        ),
        orphans=found.orphans,
        removed=tuple(removed),
        seconds=time.monotonic() - began,
    )


def _prepare(disk: Disk, path: Path) -> Lock:
    """Make the directories and claim them."""
    try:
        # A store may have guests (lost+found, what a server keeps); a new one starts alone.
        names = set() if path.is_file() else set(disk.names(path))
        if path.is_file() or (manifests.NAME not in names and not names <= _OURS):
            raise NotAStore(path)
        for folder in (path, path / LOG, path / BLOCKS):
            disk.make_dir(folder)
        return disk.lock(path / LOCK, f"process {os.getpid()}")
    except BlockingIOError as held:
        raise StoreLocked(path, str(held)) from None
    except OSError as problem:
        raise write_failure(problem, f"opening {path}") from problem


def _remove_strays(files: Files) -> list[str]:
    """Remove what a flush left that did not come to its end."""
    listed = {entry.name for entry in files.manifest.blocks}
    strays = [name for name in files.disk.names(files.blocks_path) if name not in listed]
    for name in strays:
        files.disk.unlink(files.blocks_path / name)
    return [f"{BLOCKS}/{name}" for name in strays]


def _cut(disk: Disk, path: Path, size: int) -> None:
    if size == 0:
        disk.unlink(path)
    else:
        disk.truncate(path, size)


def _open_to_read(disk: Disk, path: Path, began: float) -> tuple[Files, Head]:
    """Nothing is written, not even a lock: a writer may be at work at the same time."""
    for _ in range(_READ_ATTEMPTS):
        head = Head()
        try:
            manifest = manifests.read(disk, path)
            if manifest is None:
                raise StoreNotFound(path)
            files = Files(disk, path, manifest, None, None, OpenReport())
            owed = [n for n in files.segments() if n >= manifest.log_start]
            found = replay(disk, path / LOG, manifest.store, owed, head, manifest.tombstones)
            unchanged = manifests.read(disk, path) == manifest
        except FileNotFoundError:
            continue  # a flush removed a segment meanwhile; the manifest is another one now
        except NotADirectoryError:
            raise NotAStore(path) from None
        except OSError as problem:
            raise ReadFailed(f"opening {path}: {problem}") from problem
        if unchanged:
            _take_replay(files, found, [], began)
            return files, head
    raise ReadFailed(f"opening {path}: its writer changed it {_READ_ATTEMPTS} times meanwhile")
