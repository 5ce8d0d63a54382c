"""The two images of a simulated disk: the state that programs see, and the state that survives a
power cut."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

ROOT = frozenset({Path("/"), Path("/sim")})
STORE = Path("/sim/store")
PAGE = 4096
SECTOR = 512


class Cut(StrEnum):
    """The part of unsynced writes that survives a power cut.

    LOST       none of them
    WRITTEN    all of them: the kernel had written everything to the disk
    PAGES      some 4 KiB pages of each file; a file's size may have grown without its bytes
    TORN       as PAGES, and a page ends in the middle of a sector's worth of new bytes
    REORDERED  as PAGES, and any of the changes of names, independent of their order
    """

    LOST = "lost"
    WRITTEN = "written"
    PAGES = "pages"
    TORN = "torn"
    REORDERED = "reordered"


@dataclass(frozen=True)
class Inode:
    """A file: `data` as programs see it, `safe` as the disk has it. Both are immutable.

    dropped  an fsync failed: the kernel has dropped its pages. A later fsync may succeed without
             writing them to the disk
    """

    data: bytes = b""
    safe: bytes = b""
    dropped: bool = False


@dataclass(frozen=True)
class Change:
    """A change of names that no `fsync_dir` has confirmed: name → inode number; None: removed."""

    folder: Path
    names: tuple[tuple[Path, int | None], ...]


@dataclass
class Image:
    """The state of a disk. `names`: those that programs see; `safe_names`: those that survive a
    power cut."""

    inodes: dict[int, Inode] = field(default_factory=dict)
    names: dict[Path, int] = field(default_factory=dict)
    safe_names: dict[Path, int] = field(default_factory=dict)
    folders: frozenset[Path] = frozenset()
    safe_folders: frozenset[Path] = frozenset()
    pending: tuple[Change, ...] = ()
    next_inode: int = 1

    def copy(self) -> Image:
        return replace(
            self,
            inodes=dict(self.inodes),
            names=dict(self.names),
            safe_names=dict(self.safe_names),
        )

    def after(self, cut: Cut, rng: random.Random) -> Image:
        """The state after a power cut. All of it is safe."""
        names = dict(self.safe_names)
        for change in self.pending:
            keep = {
                Cut.LOST: False,
                Cut.WRITTEN: True,
                Cut.REORDERED: rng.random() < 0.5,
            }.get(cut, rng.random() < 0.3)
            if cut in (Cut.PAGES, Cut.TORN) and not keep:
                break  # a journal keeps the order of names
            if keep:
                for path, inode in change.names:
                    if inode is None:
                        names.pop(path, None)
                    else:
                        names[path] = inode
        folders = set(self.safe_folders)
        for folder in sorted(self.folders - self.safe_folders):
            if cut is Cut.WRITTEN or (cut is not Cut.LOST and rng.random() < 0.5):
                folders.add(folder)
        folders = {one for one in folders if all(p in folders for p in one.parents)}
        names = {path: number for path, number in names.items() if path.parent in folders}
        inodes = {}
        for number in set(names.values()):
            left = _left_of(self.inodes[number], cut, rng)
            inodes[number] = Inode(left, left)
        kept = frozenset(folders)
        return Image(inodes, names, dict(names), kept, kept, (), self.next_inode)


def _left_of(file: Inode, cut: Cut, rng: random.Random) -> bytes:
    if cut is Cut.LOST or file.data == file.safe:
        return file.safe
    if cut is Cut.WRITTEN:
        return file.data
    size = rng.choice([len(file.safe), len(file.data), rng.randint(0, len(file.data))])
    size = max(size, min(len(file.safe), len(file.data)))
    out = bytearray(file.safe[:size].ljust(size, b"\0"))
    for begin in range(0, size, PAGE):
        if rng.random() < 0.5:
            _overlay(out, begin, file.data[begin : begin + PAGE])
    if cut is Cut.TORN and size:
        at = rng.randrange(0, size, SECTOR)
        _overlay(out, at, file.data[at : at + rng.randint(1, SECTOR)])
    # A safe page retains its safe bytes, unless newer ones replace all of it.
    common = 0
    while common < min(len(file.safe), len(file.data), size) and (
        file.safe[common : common + SECTOR] == file.data[common : common + SECTOR]
    ):
        common += SECTOR
    common = min(common, len(file.safe), len(file.data), size)
    out[:common] = file.safe[:common]
    return bytes(out)


def _overlay(out: bytearray, at: int, data: bytes) -> None:
    some = data[: len(out) - at]
    out[at : at + len(some)] = some
