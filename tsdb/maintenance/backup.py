"""Copies of a store: snapshots on the same file system, backups elsewhere, and restores.

A copy is a store. Blocks never change, nor do segments of the log after their closing record, so a
copy may link to the same files. The segment that is being written to is copied up to its last whole
record, and ended. So a copy can be made while a writer has the store open, in this or another
process, and contains all changes up to one moment, and none after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.format import read_identity
from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.directory import manifest as manifests
from novaql.tsdb.directory.manifest import Manifest
from novaql.tsdb.directory.store_directory import BLOCKS, LOG
from novaql.tsdb.disk.vfs import Disk, new_file
from novaql.tsdb.errors import (
    Corrupted,
    NotAStore,
    ReadFailed,
    StoreNotFound,
    TargetInUse,
    Unreadable,
    write_failure,
)
from novaql.tsdb.maintenance.check import check_blocks, check_log
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.wal.extent import FILE, expected
from novaql.tsdb.wal.record import (
    SEGMENT_HEADER,
    Damage,
    encode_end,
    encode_record,
    is_end,
    read_log,
)
from novaql.tsdb.wal.writer import segment_name, segment_numbers

_ATTEMPTS = 50
_PORTION = 4 << 20


@dataclass(frozen=True, slots=True)
class Copied:
    """The result of a copy.

    samples  in its blocks
    blocks, segments  number of files; `bytes` of all
    linked   files that are links; `copied`: bytes that were written;
             `unchanged`: files that existed
    """

    blocks: int = 0
    segments: int = 0
    samples: int = 0
    bytes: int = 0
    linked: int = 0
    copied: int = 0
    unchanged: int = 0


def snapshot(
    source: str | Path,
    target: str | Path,
    *,
    log: bool = True,
    metadata: Mapping[str, Metadata] | None = None,
    disk: Disk | None = None,
) -> Copied:
    """Copy the current state of a store to a new directory, by links where the file system has
    them.

    log       include samples that are in no block yet
    metadata  current metadata, which may be only in the log

    Raises `StoreNotFound`, `Corrupted`, `TargetInUse` for a directory that is not empty,
    `ReadFailed`, `WriteFailed`. After an error there is no copy.
    """
    copy = _Copy(disk or Disk(), Path(source), Path(target), link=True, log=log)
    copy.metadata = dict(metadata or {})
    return copy.make(new=True)


def backup(source: str | Path, target: str | Path, *, disk: Disk | None = None) -> Copied:
    """Update a copy in another directory: write missing files, and remove those that the store no
    longer has.

    The directory is new, empty, or has an earlier backup of the same store, which is valid until
    the new one is complete. Raises as `snapshot` does; `TargetInUse` for the copy of another store.
    """
    return _Copy(disk or Disk(), Path(source), Path(target), link=False, log=True).make(new=False)


def restore(copy: str | Path, target: str | Path, *, disk: Disk | None = None) -> Copied:
    """Create a store from a snapshot or a backup, which is not changed. Nothing is linked.

    Raises as `snapshot` does; `Corrupted` for a copy that is damaged anywhere (`repair` it first).
    """
    disk = disk or Disk()
    source = Path(copy)
    for problem in [*check_blocks(disk, source), *check_log(disk, source)]:
        raise Corrupted(problem.path, problem.place, problem.problem)
    return _Copy(disk, source, Path(target), link=False, log=True).make(new=True)


class _Copy:
    def __init__(self, disk: Disk, source: Path, target: Path, *, link: bool, log: bool) -> None:
        self.disk, self.source, self.target = disk, source, target
        self.link, self.log = link, log
        self.metadata: dict[str, Metadata] = {}
        self.sizes: dict[int, int] = {}  # sizes of the segments of the copy; 0: it has no record
        self.done = Copied()

    def make(self, *, new: bool) -> Copied:
        try:
            manifest = manifests.read(self.disk, self.source)
        except NotADirectoryError:
            raise NotAStore(self.source) from None
        except OSError as problem:
            raise ReadFailed(f"{self.source}: {problem}") from problem
        if manifest is None:
            raise StoreNotFound(self.source)
        try:
            return self._made(new, manifest)
        except OSError as problem:
            raise write_failure(problem, f"copying to {self.target}") from problem

    def _made(self, new: bool, manifest: Manifest) -> Copied:
        fresh, before = self._prepare(new, manifest), None
        try:
            for _ in range(_ATTEMPTS):
                try:
                    return self._finish(manifest, self._copy_files(manifest))
                except FileNotFoundError as problem:
                    seen = manifests.read(self.disk, self.source) or manifest
                    if problem.filename is not None and seen == manifest and seen == before:
                        raise Corrupted(
                            Path(problem.filename),
                            FILE,
                            "it is missing; `novaql repair` continues without it",
                        ) from None
                    before, manifest = manifest, seen  # its writer has replaced blocks
            changing = f"{self.source}: its writer changed it {_ATTEMPTS} times meanwhile"
            raise ReadFailed(changing)  # noqa: TRY301 - cleaned up after, as any error
        except BaseException:
            if fresh:
                with contextlib.suppress(OSError):
                    self._undo()
            raise

    def _prepare(self, new: bool, manifest: Manifest) -> bool:
        """Create the directories. Returns whether there is no copy in them yet."""
        disk, target = self.disk, self.target
        if disk.is_file(target) or target.resolve() == self.source.resolve():
            raise TargetInUse(target, "it is no place for a copy")
        names = set(disk.names(target))
        for name in (manifests.NAME, manifests.COPY):
            names -= {name + ".new"}
        if names - {BLOCKS, LOG, manifests.NAME, manifests.COPY}:
            raise TargetInUse(target, "it holds other files, or is a store in use")
        there = manifests.read(disk, target)
        if there is not None and (new or there.store != manifest.store):
            raise TargetInUse(target, "it holds a store" if new else "it holds another store")
        for folder in (target, target / BLOCKS, target / LOG):
            disk.make_dir(folder)
        with contextlib.suppress(PermissionError):  # a parent that may be entered but not read
            disk.fsync_dir(target.parent)  # also if it exists: an earlier attempt may have failed
        return there is None

    def _copy_files(self, manifest: Manifest) -> list[int]:
        """Return the segments. Raises `FileNotFoundError` if a file was removed."""
        self.done = Copied()
        for entry in manifest.blocks:
            self._copy_block(entry)
        segments: list[int] = []
        if self.log:
            self.sizes = {}
            for number in self._source_segments():
                if manifest.owes(number):
                    size = self._copy_segment(manifest.store, number)
                    if size:
                        segments.append(number)
                    self.sizes[number] = size
            if not manifest.is_as(manifests.read(self.disk, self.source)):
                raise FileNotFoundError("the manifest is another one now")
        self._count(
            blocks=len(manifest.blocks),
            segments=len(segments),
            samples=sum(entry.samples for entry in manifest.blocks),
        )
        return segments

    def _source_segments(self) -> Sequence[int]:
        with _reading(self.source / LOG):
            return segment_numbers(self.disk, self.source / LOG)

    def _copy_block(self, entry: BlockEntry) -> None:
        source, target = self.source / BLOCKS / entry.name, self.target / BLOCKS / entry.name
        self._count(bytes=entry.bytes)
        if self.disk.exists(target) and self._is_block(target, entry):
            self._count(unchanged=1)
        else:
            self._put(source, target)

    def _is_block(self, path: Path, entry: BlockEntry) -> bool:
        file = self.disk.read(path)
        try:
            whole = file.size == entry.bytes
            return whole and read_identity(file, path).hex() == entry.identity
        except Corrupted:
            return False
        finally:
            file.close()

    def _copy_segment(self, store: bytes, number: int) -> int:
        """Return the bytes of the copy; 0 if the segment has no record."""
        name = segment_name(number)
        source, target = self.source / LOG / name, self.target / LOG / name
        with _reading(source):
            data = self.disk.read_all(source)
        end, ended, damaged = _extent(data, store, number)
        if not data or (end == 0 and not damaged):
            return 0
        self._count(bytes=len(data))
        if ended and self.disk.exists(target) and self.disk.read_all(target) == data:
            self._count(unchanged=1)
        elif ended:
            self._put(source, target)
        else:  # in use, or its writer was killed: up to its last whole record
            with self._writing(target) as temporary:
                end_record = encode_record(store, number, end, *encode_end())
                with new_file(self.disk, temporary) as file:
                    file.append([data[:end], *end_record])
            self._count(copied=len(data))
            return end + sum(len(piece) for piece in end_record)
        return len(data)

    def _put(self, source: Path, target: Path) -> None:
        with self._writing(target) as temporary:
            if self.link and link_or_copy(self.disk, source, temporary):
                self._count(linked=1)
                return
            if not self.link:
                copy_file(self.disk, source, temporary)
            self._count(copied=self.disk.size(temporary))

    @contextlib.contextmanager
    def _writing(self, target: Path) -> Iterator[Path]:
        """Yield a name to write to; the file then replaces `target` atomically."""
        temporary = target.with_name(target.name + ".writing")
        if self.disk.exists(temporary):
            self.disk.unlink(temporary)
        yield temporary
        self.disk.rename(temporary, target)

    def _finish(self, manifest: Manifest, segments: list[int]) -> Copied:
        """Write the manifest, with which the copy becomes valid; then remove what it does not
        name."""
        for folder in (BLOCKS, LOG):
            self.disk.fsync_dir(self.target / folder)
        if not self.log:
            numbers = (*self._source_segments(), *(manifest.segments or ()))
            manifest = replace(manifest, log_start=max(numbers, default=0) + 1)
        named = self._segments(manifest)
        manifest = replace(
            manifest,
            log_end=max([*segments, *named], default=manifest.log_start - 1),
            metadata={**manifest.metadata, **self.metadata},
            segments=named,
        )
        manifests.write(self.disk, self.target, manifest)
        self._remove_but(
            {entry.name for entry in manifest.blocks} | {segment_name(n) for n in segments}
        )
        return self.done

    def _segments(self, manifest: Manifest) -> dict[int, int]:
        """Return the segments of the copy, including those that the source has lost."""
        least = expected(manifest.segments, self.sizes, manifest.log_start)
        named = {number: size for number, size in least.items() if manifest.owes(number)}
        for number, size in self.sizes.items():
            named[number] = max(size, named.get(number, 0))
            if size == 0 and named[number] <= SEGMENT_HEADER.size:
                del named[number]
        return {number: size for number, size in named.items() if manifest.owes(number)}

    def _undo(self) -> None:
        """Remove the manifest first, without which the copy is not a store; then the other
        files."""
        for name in (manifests.COPY, manifests.NAME):
            if self.disk.exists(self.target / name):
                self.disk.unlink(self.target / name)
        self._remove_but(())

    def _remove_but(self, wanted: Collection[str]) -> None:
        for folder in (BLOCKS, LOG):
            for name in self.disk.names(self.target / folder):
                if name not in wanted:
                    self.disk.unlink(self.target / folder / name)

    def _count(self, **more: int) -> None:
        self.done = replace(
            self.done, **{name: getattr(self.done, name) + n for name, n in more.items()}
        )


def _extent(data: bytes, store: bytes, number: int) -> tuple[int, bool, bool]:
    """Return where the last whole record of a segment ends, whether it is a closing one, and
    whether something before it is damaged."""
    end, ended, damaged = 0, False, False
    for item in read_log(data, store, number):
        if isinstance(item, Damage):
            damaged = damaged or not item.tail
            ended = ended and not item.tail
        else:
            _, end, record = item
            ended = is_end(record)
    return end, ended, damaged


def link_or_copy(disk: Disk, source: Path, target: Path) -> bool:
    """Link a file, or else copy it, durably. Returns whether it is a link.

    Raises `OSError`; nothing is at `target` then.
    """
    try:
        disk.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        copy_file(disk, source, target)
        return False
    return True


def copy_file(disk: Disk, source: Path, target: Path) -> None:
    """Copy a file; its content is durable, its name is not. Raises `OSError`, `Unreadable`; nothing
    is at `target` then."""
    with _reading(source):
        read = disk.read(source)
    try:
        with new_file(disk, target) as file:
            for at in range(0, read.size, _PORTION):
                with _reading(source):
                    portion = read.pread(at, _PORTION)
                file.append([portion])
    finally:
        read.close()


@contextlib.contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Raise `Unreadable` for a file that exists, but that the disk cannot read."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as problem:
        raise Unreadable(source, FILE, problem) from problem
