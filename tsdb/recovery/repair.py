"""Repairs a damaged store, so that all remaining samples can be read.

Nothing is deleted. A damaged block is moved to `damaged/`, and a new block with its readable
samples replaces it. Damaged segments of the log are moved there once their samples are in a block.
So is an unreadable manifest, which is rebuilt from the descriptions in the blocks.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from pathlib import Path

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.contents import arrange
from novaql.tsdb.block.format import read_description, read_identity
from novaql.tsdb.block.reader import Block, BlockEntry, entry_of
from novaql.tsdb.block.writer import write_block
from novaql.tsdb.compaction.flush import SUFFIX, rewritten_name, sequence_of
from novaql.tsdb.database import open_database
from novaql.tsdb.directory import manifest as manifests
from novaql.tsdb.directory.manifest import SEALED_FORMAT, Found, Manifest
from novaql.tsdb.directory.open import claim, degraded_of, holds_data
from novaql.tsdb.directory.store_directory import BLOCKS, DAMAGED, LOCK, LOG
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.errors import Corrupted, ReadFailed, StoreNotFound, UnknownFormat, write_failure
from novaql.tsdb.head.float_run import NO_FLOATS, FloatSamples
from novaql.tsdb.head.head import Head
from novaql.tsdb.head.histogram_run import NativeSamples
from novaql.tsdb.head.validate import invalid_histograms
from novaql.tsdb.index.match import label_table
from novaql.tsdb.maintenance.backup import link_or_copy
from novaql.tsdb.maintenance.check import Violation, block_violations, check_blocks, check_log
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Metadata, Selection
from novaql.tsdb.options import Sync
from novaql.tsdb.parts.merge_series import union_bytes
from novaql.tsdb.parts.part_list import PartList
from novaql.tsdb.parts.time_ordered import TimeOrdered
from novaql.tsdb.parts.tombstones import Tombstone
from novaql.tsdb.read import planner as reader
from novaql.tsdb.read.batch_cache import BatchCache
from novaql.tsdb.runtime.lru_cache import ByteCache
from novaql.tsdb.wal.extent import FILE
from novaql.tsdb.wal.record import segment_store
from novaql.tsdb.wal.writer import segment_number, segment_numbers

_MANIFESTS = (manifests.NAME, manifests.COPY)


@dataclass(slots=True)
class Repaired:
    """The result of a repair.

    found    what was wrong
    moved    files that were moved to `damaged/`
    written  blocks that replace damaged ones
    missing  samples that are lost, in words
    left     the remaining problems: none, unless the disk failed meanwhile
    """

    found: list[Violation] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[Violation] = field(default_factory=list)


def repair(path: str | Path, *, disk: Disk | None = None) -> Repaired:
    """Repair a store that no process has open. A sound store is not changed.

    Raises `StoreNotFound`, `StoreLocked`, `WriteFailed`. After a failure the call may be repeated.
    """
    return _Repair(disk or Disk(), Path(path)).run()


class _Repair:
    def __init__(self, disk: Disk, path: Path) -> None:
        self.disk, self.path, self.done = disk, path, Repaired()

    def run(self) -> Repaired:
        named = any(self.disk.exists(self.path / name) for name in _MANIFESTS)
        if not named and not holds_data(self.disk, self.path):
            raise StoreNotFound(self.path)
        lock = claim(self.disk, self.path)
        closed = not lock.left_behind and not lock.is_new
        try:
            manifest = self._readable_manifest(closed=closed)
            if lock.is_new and manifest.log_end is None and manifest.version > SEALED_FORMAT:
                self.done.found.append(Violation(self.path / LOCK, FILE, "it is missing or empty"))
            self._repair_blocks(manifest)
            if closed:
                lock.finish()
        except OSError as problem:
            raise write_failure(problem, f"repairing {self.path}") from problem
        finally:
            lock.release()
        self._repair_log()
        self.done.left = check_blocks(self.disk, self.path) + check_log(self.disk, self.path)
        return self.done

    # The manifest

    def _readable_manifest(self, *, closed: bool) -> Manifest:
        try:
            found = manifests.find(self.disk, self.path)
        except UnknownFormat:
            raise
        except Corrupted as problem:
            self.done.found.append(Violation(problem.path, problem.place, problem.reason))
            for name in _MANIFESTS:
                self._move_aside(self.path / name)
        else:
            if found is not None:
                return self._sound(found, closed=closed)
            missing = Violation(self.path / manifests.NAME, FILE, manifests.MISSING)
            self.done.found.append(missing)
        entries: dict[int, BlockEntry] = {}
        names = [name for name in self.disk.names(self.path / BLOCKS) if name.endswith(SUFFIX)]
        for name in sorted(names, key=lambda name: "-" in name):  # rewritten blocks last
            entry = self._entry_of(name)
            if entry is not None:
                if entry.sequence in entries:
                    self._move_aside(self.path / BLOCKS / entries[entry.sequence].name)
                entries[entry.sequence] = entry
        made = Manifest(
            self._store_of_log() or secrets.token_bytes(16),
            next_block=max(entries, default=0) + 1,
            blocks=tuple(entry for _, entry in sorted(entries.items())),
            segments=dict.fromkeys(segment_numbers(self.disk, self.path / LOG), 0),
        )
        self.done.missing.append(
            "the manifest: it was recreated from the blocks and the log. Deletions that were not "
            "carried out yet are lost, so the samples that they hid are back; so is metadata "
            "that only it had. Blocks and segments that were missing are not noticed"
        )
        return manifests.write(self.disk, self.path, made)

    def _sound(self, found: Found, *, closed: bool) -> Manifest:
        """Return the manifest, of which one copy was readable, after both copies were written
        again."""
        wrong = degraded_of(found, closed=closed)
        for name, place, problem in wrong:
            self.done.found.append(Violation(self.path / name, place, problem))
            if problem != manifests.MISSING:
                self._move_aside(self.path / name)
        if not wrong:
            return found.manifest
        return manifests.write(self.disk, self.path, found.manifest)

    def _entry_of(self, name: str) -> BlockEntry | None:
        """Return the entry of a block from its own description. A block without a readable one is
        moved away."""
        path = self.path / BLOCKS / name
        sequence = sequence_of(name)
        try:
            if sequence is None:
                raise Corrupted(path, "name", "its name does not have the block's sequence")
            file = self.disk.read(path)
            try:
                identity = read_identity(file, path)
                described = read_description(file, path, identity)
            finally:
                file.close()
        except (*DAMAGE, OSError) as problem:
            self.done.missing.append(f"{BLOCKS}/{name}: all of it: {problem}")
            self._move_aside(path)
            return None
        return entry_of(name, identity, sequence, described, file.size)

    def _store_of_log(self) -> bytes | None:
        for name in self.disk.names(self.path / LOG):
            with contextlib.suppress(OSError):
                found = segment_store(self.disk.read_all(self.path / LOG / name))
                if found is not None:
                    return found
        return None

    # Blocks

    def _repair_blocks(self, manifest: Manifest) -> None:
        entries: list[BlockEntry] = []
        renamed: dict[str, str] = {}
        gone: list[Path] = []
        for entry in manifest.blocks:
            path = self.path / BLOCKS / entry.name
            problems = block_violations(self.disk, path.parent, entry)
            if not problems:
                entries.append(entry)
                continue
            self.done.found.extend(problems)
            made = self._rewritten(entry)
            if made is not None:
                entries.append(made)
                renamed[entry.name] = made.name
                self.done.written.append(f"{BLOCKS}/{made.name}")
            if self.disk.exists(path):
                self._link_away(path)
                gone.append(path)
        if not gone and len(entries) == len(manifest.blocks):
            return
        changed = replace(
            manifest,
            blocks=tuple(entries),
            tombstones=_renamed(manifest.tombstones, renamed),
        )
        manifests.write(self.disk, self.path, changed)
        for path in gone:
            self.disk.unlink(path)

    def _rewritten(self, entry: BlockEntry) -> BlockEntry | None:
        """Return a new block with the readable samples of another one; None if there are none."""
        place = f"{BLOCKS}/{entry.name}"
        read_errors = ReadErrors()
        block = Block(self.disk, self.path / BLOCKS, entry, ByteCache(0))
        caches = reader.Caches(BatchCache(0), ByteCache(0, union_bytes))
        head, parts = Head(), PartList(TimeOrdered([block]), (), None)
        try:
            everything = reader.select(parts, (), MIN_TIME_MS, MAX_TIME_MS, caches, read_errors)
            copy_selection(everything, head)
        except (*DAMAGE, ReadFailed, ValueError) as problem:
            # The checksums are right but the content is inconsistent: do not change the file.
            self.done.missing.append(f"{place}: all of its {entry.samples} samples: {problem}")
            return None
        finally:
            block.close()
        part = head.compact()
        held = part.samples
        lost = entry.samples - held
        if lost:  # otherwise only statistics were damaged, which are computed again
            where = ", ".join(one.place for one in read_errors.problems()) or "the index"
            self.done.missing.append(f"{place}: {lost} of {entry.samples} samples ({where})")
        if entry.downsampled_ms:
            left = f"its rollups; of each {entry.downsampled_ms} ms the last sample is left"
            self.done.missing.append(f"{place}: {left}")
        if held == 0:
            return None
        content = arrange(
            part.layers(), partial(label_table, part.index()), MIN_TIME_MS, MAX_TIME_MS
        )
        assert content is not None
        path = self.path / BLOCKS / rewritten_name(entry.sequence)
        made = write_block(self.disk, path, content, sequence=entry.sequence)
        return replace(made, level=entry.level)

    def _move_aside(self, path: Path) -> None:
        """Move a file to `damaged/`."""
        if self.disk.exists(path):
            self._link_away(path)
            self.disk.unlink(path)

    def _link_away(self, path: Path) -> None:
        folder = self.path / DAMAGED
        self.disk.make_dir(folder)
        target = folder / path.name
        count = 1
        while self.disk.exists(target):
            target = folder / f"{path.name}.{count}"
            count += 1
        link_or_copy(self.disk, path, target)
        self.disk.fsync_dir(folder)
        self.done.moved.append(f"{path.relative_to(self.path)} → {target.relative_to(self.path)}")

    # The log

    def _repair_log(self) -> None:
        found = check_log(self.disk, self.path)
        if not found:
            return
        self.done.found.extend(found)
        before = set(self.disk.names(self.path / DAMAGED))
        with open_database(
            self.path, sync=Sync.ALWAYS, read_only=False, disk=self.disk
        ) as database:
            report = database.open_report
            database.flush()
            metadata = database.metadata()
        self._move_empty_segments(metadata)
        if report.torn_bytes:
            self.done.missing.append(f"{LOG}: {report.torn_bytes} bytes at the end of a segment")
        self.done.missing.extend(report.damaged)
        if report.orphans:
            self.done.missing.append(f"{LOG}: {report.orphans} samples whose series are not known")
        for name in self.disk.names(self.path / DAMAGED):
            if name not in before and not any(name in moved for moved in self.done.moved):
                self.done.moved.append(f"{LOG}/{name} → {DAMAGED}/{name}")

    def _move_empty_segments(self, metadata: Mapping[str, Metadata]) -> None:
        """Move segments that are still damaged: none of their samples could be written to a
        block."""
        damaged = {violation.path for violation in check_log(self.disk, self.path)}
        if not damaged:
            return
        lock = claim(self.disk, self.path)
        try:
            manifest = manifests.read(self.disk, self.path)
            assert manifest is not None, "it was opened just now"
            gone = {segment_number(path.name) for path in damaged}
            left = {n: size for n, size in (manifest.segments or {}).items() if n not in gone}
            changed = replace(manifest, metadata=metadata, segments=left, lost=())
            manifests.write(self.disk, self.path, changed)
            for path in sorted(damaged):
                self._move_aside(path)
        except OSError as problem:
            raise write_failure(problem, f"repairing {self.path}") from problem
        finally:
            lock.finish()


def _renamed(tombstones: Sequence[Tombstone], names: dict[str, str]) -> tuple[Tombstone, ...]:
    return tuple(
        replace(tombstone, blocks=frozenset(names.get(name, name) for name in tombstone.blocks))
        for tombstone in tombstones
    )


def copy_selection(selection: Selection, head: Head) -> None:
    """Add all selected samples to a head. Raises `ValueError` for histograms that no batch may
    have."""
    ids = head.registry.ids_of(selection.series)
    for view in selection.views():
        flat = view.ragged()
        owners = ids[flat.owners()]
        head.add(FloatSamples(owners, flat.timestamps, flat.values, flat.starts))
        head.sort_backlog()
    for ref in selection.histograms:
        found = ref.load()
        problem = invalid_histograms(found.histograms)
        if problem is not None:
            raise ValueError(problem)
        owners = np.repeat(ids[found.rows], np.diff(found.offsets))
        native = NativeSamples(owners, found.timestamps, found.histograms, found.starts)
        head.add(NO_FLOATS, native)
        head.sort_backlog()
