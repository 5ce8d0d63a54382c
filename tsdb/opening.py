"""Opening a store: claim the directory, read the manifest, read the log into a head.

Whoever had the store last either closed it, or was killed; the lock's file tells which. After a
close every segment of the log ends with a closing record, so one without was cut off since.
After a kill the last segment has none. It gets one when it has been read: from then on it is as
good as any other.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tsdb import manifest as manifests
from tsdb.errors import (
    NotAStore,
    ReadFailed,
    ReadOnlyDisk,
    StoreLocked,
    StoreNotFound,
    WriteFailed,
    write_failure,
)
from tsdb.exemplar_ring import ExemplarRing
from tsdb.files import BLOCKS, DAMAGED, LOCK, LOG, Files
from tsdb.fsio import Disk, Lock, replace_file
from tsdb.head.head import Head
from tsdb.manifest import Manifest
from tsdb.options import OpenReport, StoreOptions, Sync
from tsdb.wal.reader import Replay, replay
from tsdb.wal.record import encode_end, encode_record
from tsdb.wal.writer import Log, segment_name

_OURS = {LOCK, LOG, BLOCKS, DAMAGED, manifests.NAME, manifests.NAME + ".new", "lost+found"}
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
        manifest = manifests.read(disk, path)
        if manifest is None:
            manifest = Manifest(secrets.token_bytes(16))
            manifests.write(disk, path, manifest)
        ring = ExemplarRing(options.max_exemplars)
        files = Files(disk, path, manifest, lock, None, OpenReport(), exemplars=ring)
        if manifest.log_end is not None:  # a copy becomes a store that is written to
            manifest = _without_log_end(files)
        removed = _remove_strays(files)
        found = replay(
            disk, path / LOG, manifest.store,
            [n for n in files.segments() if manifest.owes(n)], head, manifest.tombstones,
            ring,
        )  # fmt: skip
        closed = not lock.left_behind and not lock.is_new
        unended = {n for n, size in _ends(found) if not _tidy(files, n, size, found, closed)}
        next_segment = max([manifest.log_start - 1, *files.segments()]) + 1
        files.log = Log(
            disk, path / LOG, manifest.store, next_segment,
            segment_bytes=options.segment_bytes, sync_when_full=options.sync is not Sync.OS,
        )  # fmt: skip
        files.log.unended = unended
        files.drop_log()
        if _UNSYNCED in lock.left_behind:
            files.log.distrust(files.segments())
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
    _take_replay(files, found, removed, began, closed=closed)
    return files, head


def _without_log_end(files: Files) -> Manifest:
    """Remove segments that a backup began to bring and that its manifest does not know of."""
    for number in files.segments():
        if number >= files.manifest.log_start and not files.manifest.owes(number):
            files.disk.unlink(files.path / LOG / segment_name(number))
    files.disk.fsync_dir(files.path / LOG)
    files.manifest = replace(files.manifest, log_end=None)
    manifests.write(files.disk, files.path, files.manifest)
    return files.manifest


def _ends(found: Replay) -> list[tuple[int, int]]:
    """Segments that do not end as they should, and the end of the last whole record of each."""
    return sorted({**found.unended, **found.torn}.items())


def _tidy(files: Files, number: int, size: int, found: Replay, closed: bool) -> bool:
    """Cut off what is no record, and write the closing record that a killed process did not.

    What is cut off is kept in `damaged/`: a last record that rotted looks like an unfinished one.
    On a disk that takes nothing the segment stays as it is. Returns whether it is in order.
    """
    disk, path = files.disk, files.path / LOG / segment_name(number)
    try:
        if number in found.torn:
            tail = disk.read_all(path)[size:]
            if tail:
                disk.make_dir(files.path / DAMAGED)
                kept = files.path / DAMAGED / f"{path.name}.from-{size}"
                replace_file(disk, kept, tail)
            if size == 0:
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
    files: Files, found: Replay, removed: Sequence[str], began: float, *, closed: bool
) -> None:
    """closed: the last writer closed the store, so every segment should have a closing record."""
    places = dict(found.damaged)
    if closed:
        for number, size in found.unended.items():
            cut_off = f"offset {size}: cut off; what followed is lost"
            places[number] = [*places.get(number, ()), cut_off]
    files.damaged_segments = frozenset(places)
    files.manifest = replace(files.manifest, metadata={**files.manifest.metadata, **found.metadata})
    files.report = OpenReport(
        replayed=found.samples,
        torn_bytes=found.torn_bytes,
        damaged=tuple(
            f"{LOG}/{segment_name(number)}: {place}"
            for number, several in sorted(places.items())
            for place in several
        ),
        orphans=found.orphans,
        removed=tuple(removed),
        interrupted=files.lock.left_behind if files.lock is not None else "",
        seconds=time.monotonic() - began,
    )
    if files.report.interrupted or not files.report.clean:
        log.warning("%s: %s", files.path, files.report)


def claim(disk: Disk, path: Path, guests: Collection[str] = ()) -> Lock:
    """Make the directories and claim them.

    guests  names of what a new store may find in its directory

    Raises `NotAStore`, `StoreLocked`, `WriteFailed`."""
    try:
        names = set() if disk.is_file(path) else set(disk.names(path))
        expected = _OURS.union(guests)
        if disk.is_file(path) or (manifests.NAME not in names and not names <= expected):
            raise NotAStore(path)
        for folder in (path, path / LOG, path / BLOCKS):
            disk.make_dir(folder)
        # Who made them may not have come so far: without this a power cut takes the whole store.
        with contextlib.suppress(PermissionError):  # a parent that may be entered, not read
            disk.fsync_dir(path.parent)
        disk.fsync_dir(path)
        return disk.lock(path / LOCK, f"process {os.getpid()}")
    except BlockingIOError as held:
        raise StoreLocked(path, str(held)) from None
    except OSError as problem:
        if problem.errno in _NO_LOCKS:
            raise WriteFailed(
                f"{path}: its file system has no locks, so two writers could not be kept apart "
                "(NFS without a lock daemon?); open it with read_only=True, or keep it elsewhere"
            ) from problem
        if problem.errno == errno.EROFS:
            raise ReadOnlyDisk(
                f"opening {path}: {problem.strerror}; open it with read_only=True"
            ) from problem
        raise write_failure(problem, f"opening {path}") from problem


def _remove_strays(files: Files) -> list[str]:
    """Remove what a flush left that did not come to its end. What cannot be removed may stay."""
    listed = {entry.name for entry in files.manifest.blocks}
    strays = [name for name in files.disk.names(files.blocks_path) if name not in listed]
    removed = []
    for name in strays:
        with contextlib.suppress(OSError):
            files.disk.unlink(files.blocks_path / name)
            removed.append(f"{BLOCKS}/{name}")
    return removed


def _open_to_read(disk: Disk, path: Path, max_exemplars: int, began: float) -> tuple[Files, Head]:
    """Nothing is written, not even a lock: a writer may be at work at the same time."""
    suspected: dict[int, int] = {}
    for _ in range(_READ_ATTEMPTS):
        head = Head()
        try:
            closed = was_closed(disk, path)
            manifest = manifests.read(disk, path)
            if manifest is None:
                raise StoreNotFound(path)
            ring = ExemplarRing(max_exemplars)
            files = Files(disk, path, manifest, None, None, OpenReport(), exemplars=ring)
            owed = [n for n in files.segments() if manifest.owes(n)]
            found = replay(disk, path / LOG, manifest.store, owed, head, manifest.tombstones, ring)
            unchanged = manifests.read(disk, path) == manifest
            closed = closed and was_closed(disk, path)
        except FileNotFoundError:
            continue  # a flush removed a segment meanwhile; the manifest is another one now
        except NotADirectoryError:
            raise NotAStore(path) from None
        except OSError as problem:
            raise ReadFailed(f"opening {path}: {problem}") from problem
        if closed and found.unended and found.unended != suspected:
            suspected = found.unended  # a writer may have come and gone: look once more
            continue
        if unchanged:
            _take_replay(files, found, [], began, closed=closed)
            return files, head
    raise ReadFailed(f"opening {path}: its writer changed it {_READ_ATTEMPTS} times meanwhile")


def was_closed(disk: Disk, path: Path) -> bool:
    """Whether the last writer closed the store, and none has it now. Raises `OSError`."""
    try:
        return not disk.read_all(path / LOCK).strip(b" \n\0")
    except FileNotFoundError:
        return False
