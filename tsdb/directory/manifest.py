"""The manifest: a small file with the blocks of the store and the start of the log."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

import google_crc32c

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.format import read_identity
from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.disk.checksum import checksum
from novaql.tsdb.disk.vfs import Disk, replace_file
from novaql.tsdb.errors import Corrupted, UnknownFormat
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.parts import tombstones
from novaql.tsdb.parts.tombstones import Tombstone
from novaql.tsdb.wal.record import segment_store
from novaql.tsdb.wal.writer import segment_name

FORMAT, SEALED_FORMAT, LATEST = 1, 5, 6
"""Since format 5, the checksum also covers the store's identity and the format. Format 6 names the
segments of the log, and has two copies. The writer writes the latest."""
NAME, COPY = "MANIFEST", "MANIFEST.copy"
MISSING = "it is missing"
MOST_LOST = 100
"""Number of places of lost samples that a manifest has."""
log = logging.getLogger("tsdb")
_IDENTITY = re.compile(rb"[0-9a-f]{32}")
_WORD, _KIND = b"novaql-store", b"manifest"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The state of a store on disk.

    store         identity of the store, part of the checksums of its log
    version       format in which it was read; it is written in the latest one
    log_start     samples in earlier segments of the log are in blocks
    next_block    number of the next block
    blocks        in order of `sequence`
    tombstones    deletions that hide something in a block or the log, oldest first
    log_end       in a copy that no process has written to: its last segment; the copy does not
                  include later ones. None: no such bound
    generation    number of manifests of the store that were written before; 0 before format 6
    segments      number → bytes of each segment of the log from `log_start` on: it exists, and had
                  this many synced bytes when the manifest was written. None before format 6
    lost          (file, place, problem) of damage to the log that lost samples; stays until the
                  store is repaired, also after the segment is removed
    """

    store: bytes
    log_start: int = 1
    next_block: int = 1
    blocks: tuple[BlockEntry, ...] = ()
    metadata: Mapping[str, Metadata] = field(default_factory=dict)
    version: int = LATEST
    tombstones: tuple[Tombstone, ...] = ()
    log_end: int | None = None
    generation: int = 0
    segments: Mapping[int, int] | None = field(default_factory=dict)
    lost: tuple[tuple[str, str, str], ...] = ()

    def owes(self, segment: int) -> bool:
        """Whether a segment of the log has samples that are in no block yet."""
        return segment >= self.log_start and (self.log_end is None or segment <= self.log_end)

    def is_as(self, other: Manifest | None) -> bool:
        """Whether both describe the same state, except for the size of the log."""
        return other is not None and _but_growth(self) == _but_growth(other)

    def with_lost(self, places: Iterable[tuple[str, str, str]]) -> Manifest:
        """Return the manifest with more damage, each place once."""
        lost = tuple(dict.fromkeys((*self.lost, *places)))
        return replace(self, lost=lost[:MOST_LOST])


def _but_growth(manifest: Manifest) -> Manifest:
    return replace(manifest, generation=0, segments=None, version=LATEST)


def encode(manifest: Manifest) -> bytes:
    """Encode as in FORMAT.md, "Manifest": a line with format, identity and checksum, then JSON."""
    fields: dict[str, Any] = {
        "log_start": manifest.log_start,
        "next_block": manifest.next_block,
        "blocks": [_described(entry) for entry in manifest.blocks],
        "metadata": {
            name: (entry.type, entry.help, entry.unit) for name, entry in manifest.metadata.items()
        },
    }
    if manifest.log_end is not None:
        fields["log_end"] = manifest.log_end
    fields["generation"] = manifest.generation
    fields["segments"] = sorted((manifest.segments or {}).items())
    if manifest.lost:
        fields["lost"] = manifest.lost
    # A line for each value, without `indent`, with which Python 3.11 encodes in Python code.
    body = json.dumps(fields, separators=(",\n", ": ")).encode()
    if manifest.tombstones:
        lines = b",\n".join(tombstone.encoded for tombstone in manifest.tombstones)
        body = body[:-1] + b',\n"tombstones": [\n' + lines + b"\n]}"
    crc = checksum(manifest.store, _KIND, LATEST, body)
    line = b"%s %d %s %08x\n" % (_WORD, LATEST, manifest.store.hex().encode(), crc)
    return line + body


def _described(entry: BlockEntry) -> dict[str, object]:
    fields = {one.name: getattr(entry, one.name) for one in fields_of(entry)}
    if entry.level == 0:  # since format 3
        del fields["level"]
    downsampled_ms = fields.pop("downsampled_ms")
    if downsampled_ms:  # since format 5
        fields["thinned_ms"] = downsampled_ms
    return fields


def _entry(fields: dict[str, Any]) -> BlockEntry:
    downsampled_ms = fields.get("thinned_ms", 0)
    others = {name: value for name, value in fields.items() if name != "thinned_ms"}
    return BlockEntry(**others, downsampled_ms=downsampled_ms)


def decode(content: bytes, path: Path) -> Manifest:
    """Raises `Corrupted`."""
    line, _, body = content.partition(b"\n")
    words = line.split(b" ")
    if not 3 <= len(words) <= 4 or words[0] != _WORD or not words[1].isdigit():
        raise Corrupted(path, "first line", f"is {line[:80]!r}")
    version = int(words[1])
    if not FORMAT <= version <= LATEST:
        if _is_of_a_known_format(words, body):  # the format number is damaged
            raise Corrupted(path, "first line", "checksum differs")
        found = f"format {version}; this version supports {FORMAT} to {LATEST}"
        raise UnknownFormat(path, "first line", found)
    if len(words) != (4 if version >= SEALED_FORMAT else 3):
        raise Corrupted(path, "first line", f"is {line[:80]!r}")
    store = None
    if version >= SEALED_FORMAT:
        store = _identity(words[2], path)
        crc = checksum(store, _KIND, version, body)
    else:
        crc = google_crc32c.value(body)
    if words[-1] != b"%08x" % crc:
        raise Corrupted(path, "body", "checksum differs")
    fields = json.loads(body)
    return Manifest(
        store or bytes.fromhex(fields["store"]),
        fields["log_start"],
        fields["next_block"],
        tuple(map(_entry, fields["blocks"])),
        {name: Metadata(*entry) for name, entry in fields["metadata"].items()},
        version,
        tombstones.decode(fields.get("tombstones", ())),
        fields.get("log_end"),
        fields.get("generation", 0),
        dict(fields["segments"]) if version > SEALED_FORMAT else None,
        tuple((file, place, problem) for file, place, problem in fields.get("lost", ())),
    )


def _is_of_a_known_format(words: list[bytes], body: bytes) -> bool:
    crcs = {google_crc32c.value(body)}
    if len(words) == 4 and _IDENTITY.fullmatch(words[2]):
        store = bytes.fromhex(words[2].decode())
        crcs = {checksum(store, _KIND, v, body) for v in range(SEALED_FORMAT, LATEST + 1)}
    return words[-1] in {b"%08x" % crc for crc in crcs}


def _identity(word: bytes, path: Path) -> bytes:
    found = bytes.fromhex(word.decode()) if _IDENTITY.fullmatch(word) else b""
    if not found:
        raise Corrupted(path, "first line", f"{word[:40]!r} is no identity")
    return found


@dataclass(frozen=True, slots=True)
class Found:
    """The manifest of a store, chosen from its two copies.

    problems  problems with the other copy, or its absence
    equal     both exist and have the same generation; older formats have only one
    """

    manifest: Manifest
    problems: tuple[Corrupted, ...]
    equal: bool


def find(disk: Disk, folder: Path) -> Found | None:
    """Read both copies, and choose the newest that is readable; None if neither exists.

    A crash between the two writes leaves a copy of the generation before, which is normal. Raises
    `Corrupted` if neither can be read, `UnknownFormat`, and `OSError`.
    """
    one, two = _look(disk, folder / NAME), _look(disk, folder / COPY)
    if _is_newer(two, one):  # a writer may have replaced both meanwhile
        one = _look(disk, folder / NAME)
    if one is None and two is None:
        return None
    if isinstance(one, Manifest) and isinstance(two, Manifest) and one.store != two.store:
        one, two = _of_this_store(disk, folder, one, two)
    if isinstance(one, Manifest):
        if not isinstance(two, Manifest):
            named = one.version > SEALED_FORMAT
            problems = (two or _missing(folder / COPY),) if named or two is not None else ()
            return Found(one, problems, not named and two is None)
        if not _is_newer(two, one):
            return Found(one, (), one.generation == two.generation)
        found = f"it is the earlier generation {one.generation}, {COPY} is {two.generation}"
        one = Corrupted(folder / NAME, "generation", found)
    if isinstance(one, UnknownFormat):
        raise one
    if isinstance(two, Manifest):
        return Found(two, (one or _missing(folder / NAME),), equal=False)
    if isinstance(two, UnknownFormat):
        raise two
    if isinstance(one, _Refused) and (two is None or isinstance(two, _Refused)):
        raise one.error
    raise unreadable(folder, one or two)


class _Refused(Corrupted):
    """A copy that the disk could not read."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(path, "file", error.strerror or str(error))
        self.error = error


def _look(disk: Disk, path: Path) -> Manifest | Corrupted | None:
    try:
        return decode(disk.read_all(path), path)
    except FileNotFoundError:
        return None
    except Corrupted as problem:
        return problem
    except OSError as error:
        return _Refused(path, error)


def _is_newer(two: Manifest | Corrupted | None, one: Manifest | Corrupted | None) -> bool:
    if not isinstance(one, Manifest) or not isinstance(two, Manifest):
        return False
    return one.store == two.store and two.generation > one.generation


def _missing(path: Path) -> Corrupted:
    return Corrupted(path, "file", MISSING)


def unreadable(folder: Path, problem: Corrupted | None) -> Corrupted:
    """Return the error for a store without a readable manifest: the problem and the remedy.

    problem: the problem with a copy; None: there is none.
    """
    problem = problem or _missing(folder / NAME)
    return Corrupted(
        problem.path,
        problem.place,
        f"{problem.reason}, and so is {COPY if problem.path.name == NAME else NAME} "
        f"unreadable or missing; `novaql repair {folder}` recreates them from the blocks "
        "and the log",
    )


def _of_this_store(
    disk: Disk, folder: Path, one: Manifest, two: Manifest
) -> tuple[Manifest | Corrupted, Manifest | Corrupted]:
    """Choose, of the manifests of two stores, the one whose blocks and segments are in the
    directory."""
    ours = [_files_here(disk, folder, manifest) for manifest in (one, two)]
    if ours[0] == ours[1]:
        reason = f"it belongs to another store than {COPY}, and neither has files here"
        raise Corrupted(folder / NAME, "store", reason)
    if ours[0] > ours[1]:
        return one, Corrupted(folder / COPY, "store", "it belongs to another store")
    return Corrupted(folder / NAME, "store", "it belongs to another store"), two


def _files_here(disk: Disk, folder: Path, manifest: Manifest) -> int:
    found = 0
    for entry in manifest.blocks:
        with contextlib.suppress(Corrupted, OSError):
            path = folder / "blocks" / entry.name
            file = disk.read(path)
            found += read_identity(file, path).hex() == entry.identity
            file.close()
    for number in manifest.segments or ():
        with contextlib.suppress(OSError):
            data = disk.read_all(folder / "wal" / segment_name(number))
            found += segment_store(data) == manifest.store
    return found


def read(disk: Disk, folder: Path) -> Manifest | None:
    """Return the manifest of a store; None if there is none. Raises as `find` does."""
    found = find(disk, folder)
    return None if found is None else found.manifest


def blocks_on_disk(folder: Path) -> tuple[BlockEntry, ...]:
    """Return the blocks of the store in a directory, in order of `sequence`; none if there is no
    store.

    Raises as `find` does.
    """
    manifest = read(Disk(), folder)
    return () if manifest is None else manifest.blocks


def write(disk: Disk, folder: Path, manifest: Manifest) -> Manifest:
    """Replace the manifest atomically, then its copy; returns what was written.

    Raises `OSError`; the old manifest is in place then. A copy that cannot be written is removed,
    so that an old copy is never read as the state of the store; the next write creates it again.
    """
    manifest = replace(manifest, generation=manifest.generation + 1, version=LATEST)
    content = encode(manifest)
    replace_file(disk, folder / NAME, content)
    try:
        replace_file(disk, folder / COPY, content)
    except OSError as problem:
        log.warning("%s could not be written: %s", folder / COPY, problem)
        with contextlib.suppress(OSError):
            disk.unlink(folder / COPY)
    return manifest
