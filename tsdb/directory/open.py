"""Opens a store: claims the directory, reads the manifest, reads the log into a head.

The lock file states whether the last process closed the store or was killed. After a close, every
segment of the log ends with a closing record, so one without was truncated later. After a kill, the
last segment has none. Recovery appends one after it has read the segment, which is then like all
others.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from novaql.tsdb.compaction.flush import SUFFIX
from novaql.tsdb.directory import manifest as manifests
from novaql.tsdb.directory.manifest import Found, Manifest
from novaql.tsdb.directory.store_directory import BLOCKS, DAMAGED, LOCK, LOG, Files
from novaql.tsdb.disk.vfs import Disk, Lock, replace_file
from novaql.tsdb.errors import (
    NotAStore,
    ReadFailed,
    ReadOnlyDisk,
    StoreLocked,
    StoreNotFound,
    WriteFailed,
    write_failure,
)
from novaql.tsdb.head.exemplar_buffer import ExemplarRing
from novaql.tsdb.head.head import Head
from novaql.tsdb.options import OpenReport, StoreOptions, Sync
from novaql.tsdb.wal.extent import expected, shortfalls
from novaql.tsdb.wal.pace import Pace
from novaql.tsdb.wal.record import SEGMENT_HEADER, encode_end, encode_record
from novaql.tsdb.wal.replay import Replay, replay
from novaql.tsdb.wal.writer import SUFFIX as LOG_SUFFIX
from novaql.tsdb.wal.writer import Log, segment_name

_MANIFESTS = {manifests.NAME, manifests.COPY}
_UNFINISHED = {name + ".new" for name in _MANIFESTS}
_OURS = {LOCK, LOG, BLOCKS, DAMAGED, *_MANIFESTS, *_UNFINISHED, "lost+found"}
_NO_COPY = (manifests.COPY, manifests.MISSING)
_READ_ATTEMPTS = 50
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
_UNSYNCED = "the log was not synced"
log = logging.getLogger("tsdb")


def open_files(
    disk: Disk, path: Path, options: StoreOptions, *, read_only: bool
) -> tuple[Files, Head]:
    """Open or create a store, and read its log into a head."""
    began = time.monotonic()
    if read_only:
        return _open_to_read(disk, path, options.max_exemplars, began)
    head = Head()
    lock = claim(disk, path, options.guests)
    try:
        closed = not lock.left_behind and not lock.is_new
        manifest, degraded = _manifest_to_write(disk, path, closed=closed, new_lock=lock.is_new)
        ring = ExemplarRing(options.max_exemplars)
        files = Files(disk, path, manifest, lock, None, OpenReport(), exemplars=ring)
        if manifest.log_end is not None:  # the first writer of a copy
            manifest = _without_log_end(files)
        absent = absent_blocks(disk, path, manifest)
        removed = _remove_strays(files, move_aside=bool(degraded or absent))
        there = [n for n in files.segments() if manifest.owes(n)]
        found = replay(disk, path / LOG, manifest.store, there, head, manifest.tombstones, ring)
        least = expected(manifest.segments, there, manifest.log_start)
        open_ends = sorted({**found.unended, **found.torn}.items())
        unended = {n for n, size in open_ends if not _tidy(files, n, size, found, closed)}
        next_segment = max([manifest.log_start - 1, *files.segments(), *least]) + 1
        files.log = Log(
            disk, path / LOG, manifest.store, next_segment,
            segment_bytes=options.segment_bytes, sync_when_full=options.sync is not Sync.OS,
            pace=Pace(options.sync_interval_s if options.sync is Sync.INTERVAL else None),
        )  # fmt: skip
        files.log.unended = unended
        files.log.safe = {n: size for n, size in least.items() if manifest.owes(n)}
        files.log.on_created = files.name_segments
        files.drop_log()
        if _UNSYNCED in lock.left_behind:
            files.log.mark_not_durable(files.segments())
        else:
            for number in files.segments():
                files.log.adopt(number)
        files.log.on_sync_failed = partial(lock.note, _UNSYNCED)
        if not files.log.is_safe:
            lock.note(_UNSYNCED)
    except OSError as problem:
        lock.release()
        raise write_failure(problem, f"opening {path}") from problem
    except BaseException:
        lock.release()
        raise
    _take_replay(files, found, removed, began, closed=closed, absent=absent, degraded=degraded)
    return files, head


def _manifest_to_write(
    disk: Disk, path: Path, *, closed: bool, new_lock: bool
) -> tuple[Manifest, list[str]]:
    """Return the manifest, after both copies were made equal, and what was wrong with one of them.

    Raises `Corrupted` if the directory has data but no manifest: it must not be treated as a new
    store, whose first writer removes all unknown files.
    """
    found = manifests.find(disk, path)
    if found is None:
        if holds_data(disk, path):
            raise manifests.unreadable(path, None)
        return manifests.write(disk, path, Manifest(secrets.token_bytes(16))), []
    manifest = found.manifest
    degraded = [": ".join(one) for one in degraded_of(found, closed=closed)]
    if manifest.version > manifests.SEALED_FORMAT:
        if new_lock and manifest.log_end is None:
            degraded.append(f"{LOCK}: it is missing or empty")
        if not found.equal:
            with contextlib.suppress(OSError):  # on a full disk, the next opening does it
                manifest = manifests.write(disk, path, manifest)
    return manifest, degraded


def degraded_of(found: Found, *, closed: bool) -> list[tuple[str, str, str]]:
    """Return (file, place, problem) of damage to the manifest although one copy of it is readable.

    After a crash the second copy may be older, or missing if the store was just created.
    """
    fresh = found.manifest.generation <= 1 or found.manifest.log_end is not None
    report = [
        (one.path.name, one.place, one.reason)
        for one in found.problems
        if closed or not fresh or (one.path.name, one.reason) != _NO_COPY
    ]
    if closed and not found.problems and not found.equal:
        report.append((manifests.COPY, "generation", "it is an earlier one"))
    return report


def holds_data(disk: Disk, path: Path) -> bool:
    """Whether there are blocks, or segments of a log."""
    names = [*disk.names(path / BLOCKS), *disk.names(path / LOG)]
    return any(name.endswith((SUFFIX, LOG_SUFFIX)) for name in names)


def absent_blocks(disk: Disk, path: Path, manifest: Manifest) -> list[str]:
    """Return, in words, blocks that are missing or do not have the size with which they were
    written."""
    found = []
    for entry in manifest.blocks:
        try:
            size = disk.size(path / BLOCKS / entry.name)
        except FileNotFoundError:
            found.append(f"{BLOCKS}/{entry.name}: it is missing")
            continue
        except OSError as problem:
            found.append(f"{BLOCKS}/{entry.name}: {problem.strerror}")
            continue
        if size != entry.bytes:
            found.append(f"{BLOCKS}/{entry.name}: {size} bytes instead of {entry.bytes}")
    return found


def _without_log_end(files: Files) -> Manifest:
    """Remove segments that a backup began to copy and its manifest does not name."""
    for number in files.segments():
        if number >= files.manifest.log_start and not files.manifest.owes(number):
            files.disk.unlink(files.path / LOG / segment_name(number))
    files.disk.fsync_dir(files.path / LOG)
    files.manifest = manifests.write(files.disk, files.path, replace(files.manifest, log_end=None))
    return files.manifest


def _tidy(files: Files, number: int, size: int, found: Replay, closed: bool) -> bool:
    """Truncate a segment after its last whole record, and append the missing closing record.

    The removed bytes are saved in `damaged/`, since a damaged last record looks like an unfinished
    one. On a disk that is full or read-only, the segment does not change. Returns whether it is in
    order.
    """
    disk, path = files.disk, files.path / LOG / segment_name(number)
    named = files.manifest.segments
    try:
        if named is not None and number not in named and found.ends[number] <= SEGMENT_HEADER.size:
            disk.unlink(path)  # nothing is written to a segment before the manifest names it
            return True
        if number in found.torn:
            tail = disk.read_all(path)[size:]
            if tail:
                disk.make_dir(files.path / DAMAGED)
                saved = files.path / DAMAGED / f"{path.name}.from-{size}"
                replace_file(disk, saved, tail)
            if size == 0:
                if named is None:
                    disk.unlink(path)
                return True
            disk.truncate(path, size)
        if closed or number not in found.unended:
            return True
        file = disk.extend(path)
        try:
            file.append(encode_record(files.manifest.store, number, size, *encode_end()))
            file.fsync()
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            return False
        finally:
            file.close()
    except OSError:
        return False
    return True


def _take_replay(
    files: Files,
    found: Replay,
    removed: Sequence[str],
    began: float,
    *,
    closed: bool,
    absent: Sequence[str],
    degraded: Sequence[str],
) -> None:
    """closed: the last writer closed the store, so every segment should have a closing record."""
    manifest = files.manifest
    places = {n: [(place, problem) for place, problem in found.damaged[n]] for n in found.damaged}
    short = log_shortfalls(manifest, found.ends)
    if closed:
        for number, size in found.unended.items():
            if manifest.segments is None or number in manifest.segments:
                short.setdefault(number, (f"offset {size}", "cut off; what followed is lost"))
    for number, one in short.items():
        places.setdefault(number, []).append(one)
    lost = [
        (f"{LOG}/{segment_name(number)}", place, problem)
        for number, several in sorted(places.items())
        for place, problem in several
    ]
    files.damaged_segments = frozenset(places)
    files.manifest = replace(
        manifest.with_lost(lost), metadata={**manifest.metadata, **found.metadata}
    )
    files.report = OpenReport(
        replayed=found.samples,
        torn_bytes=found.torn_bytes,
        damaged=(*(": ".join(one) for one in files.manifest.lost), *absent),
        degraded=tuple(degraded),
        orphans=found.orphans,
        removed=tuple(removed),
        interrupted=files.lock.left_behind if files.lock is not None else "",
        seconds=time.monotonic() - began,
    )
    if files.report.interrupted or files.report.degraded or not files.report.clean:
        log.warning("%s: %s", files.path, files.report)


def claim(disk: Disk, path: Path, guests: Collection[str] = ()) -> Lock:
    """Create the directories and acquire the lock.

    guests  names that a new store may find in its directory

    Raises `NotAStore`, `StoreLocked`, `WriteFailed`.
    """
    try:
        names = set() if disk.is_file(path) else set(disk.names(path))
        allowed = _OURS.union(guests)
        if disk.is_file(path) or (not names & _MANIFESTS and not names <= allowed):
            raise NotAStore(path)
        for folder in (path, path / LOG, path / BLOCKS):
            disk.make_dir(folder)
        # The process that created them may have died before it synced them; a power cut would lose
        # the whole store.
        with contextlib.suppress(PermissionError):  # a parent that may be entered but not read
            disk.fsync_dir(path.parent)
        disk.fsync_dir(path)
        return disk.lock(path / LOCK, f"process {os.getpid()}")
    except BlockingIOError as held:
        raise StoreLocked(path, str(held)) from None
    except OSError as problem:
        if problem.errno in _NO_LOCKS:
            raise WriteFailed(
                f"{path}: its file system has no locks, so two writers could damage the store "
                "(NFS without a lock daemon?); open it with read_only=True, or move it elsewhere"
            ) from problem
        if problem.errno == errno.EROFS:
            raise ReadOnlyDisk(
                f"opening {path}: {problem.strerror}; open it with read_only=True"
            ) from problem
        raise write_failure(problem, f"opening {path}") from problem


def _remove_strays(files: Files, *, move_aside: bool) -> list[str]:
    """Remove the files of an unfinished flush. Files that cannot be removed remain.

    move_aside: move them to `damaged/` instead, since the manifest may be an older one
    """
    listed = {entry.name for entry in files.manifest.blocks}
    strays = [name for name in files.disk.names(files.blocks_path) if name not in listed]
    removed = []
    for name in strays:
        path = files.blocks_path / name
        with contextlib.suppress(OSError):
            if move_aside:
                files.disk.make_dir(files.path / DAMAGED)
                files.disk.rename(path, files.path / DAMAGED / name)
            else:
                files.disk.unlink(path)
            removed.append(f"{BLOCKS}/{name}")
    return removed


def _open_to_read(disk: Disk, path: Path, max_exemplars: int, began: float) -> tuple[Files, Head]:
    """Open without writing anything, not even a lock: a writer may have the store open."""
    suspected: dict[int, int] = {}
    for _ in range(_READ_ATTEMPTS):
        head = Head()
        try:
            closed = was_closed(disk, path)
            seen = manifests.find(disk, path)
            if seen is None:
                if holds_data(disk, path):
                    raise manifests.unreadable(path, None)
                raise StoreNotFound(path)
            manifest = seen.manifest
            ring = ExemplarRing(max_exemplars)
            files = Files(disk, path, manifest, None, None, OpenReport(), exemplars=ring)
            owed = [n for n in files.segments() if manifest.owes(n)]
            found = replay(disk, path / LOG, manifest.store, owed, head, manifest.tombstones, ring)
            absent = absent_blocks(disk, path, manifest)
            unchanged = manifest.is_as(manifests.read(disk, path))
            closed = closed and was_closed(disk, path)
            degraded = [": ".join(one) for one in degraded_of(seen, closed=closed)]
            if lock_is_missing(disk, path, manifest):
                degraded.append(f"{LOCK}: it is missing or empty")
        except FileNotFoundError:
            continue  # a flush removed a segment and replaced the manifest
        except NotADirectoryError:
            raise NotAStore(path) from None
        except OSError as problem:
            raise ReadFailed(f"opening {path}: {problem}") from problem
        if closed and found.unended and found.unended != suspected:
            # a writer may have opened and closed it meanwhile: check again
            suspected = found.unended
            continue
        if unchanged:
            _take_replay(files, found, [], began, closed=closed, absent=absent, degraded=degraded)
            return files, head
    raise ReadFailed(f"opening {path}: its writer changed it {_READ_ATTEMPTS} times meanwhile")


def was_closed(disk: Disk, path: Path) -> bool:
    """Whether the last writer closed the store, and no process has it open. Raises `OSError`."""
    try:
        content = disk.read_all(path / LOCK)
        return bool(content) and not content.strip(b" \n\0")
    except FileNotFoundError:
        return False


def lock_is_missing(disk: Disk, path: Path, manifest: Manifest) -> bool:
    """Whether the lock file is missing; only a copy that no process has opened has none."""
    named = manifest.version > manifests.SEALED_FORMAT and manifest.log_end is None
    return named and not (disk.exists(path / LOCK) and disk.size(path / LOCK))


def log_shortfalls(manifest: Manifest, ends: Mapping[int, int]) -> dict[int, tuple[str, str]]:
    """Return (place, problem) of segments of the log that are missing or too short.

    ends: where the last whole record of each existing segment ends
    """
    least = expected(manifest.segments, ends, manifest.log_start)
    return shortfalls({n: size for n, size in least.items() if manifest.owes(n)}, ends)
