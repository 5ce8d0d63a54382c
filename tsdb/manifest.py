"""The one small file that says which blocks exist and from where on the log is still owed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c

from tsdb import tombstones
from tsdb.block.reader import BlockEntry
from tsdb.codec.checksum import checksum
from tsdb.errors import Corrupted, UnknownFormat
from tsdb.fsio import Disk, replace_file
from tsdb.selection import Metadata
from tsdb.tombstones import Tombstone

FORMAT, SEALED_FORMAT = 1, 5
"""Written is the fifth, whose checksum covers the store's identity and the format, too."""
NAME = "MANIFEST"
_IDENTITY = re.compile(rb"[0-9a-f]{32}")
_WORD, _KIND = b"novaql-store", b"manifest"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the store consists of.

    store         identity of the store, mixed into the checksums of its log
    version       of the format that it was read in; it is written in the latest one
    log_start     samples in earlier segments of the log are in blocks
    next_block    number of the next block
    blocks        in order of `sequence`
    tombstones    what was deleted and is in a block or the log still, oldest first
    log_end       in a copy that nobody has written to: its last segment; later ones are no part of
                  it. None: there is no such bound
    """

    store: bytes
    log_start: int = 1
    next_block: int = 1
    blocks: tuple[BlockEntry, ...] = ()
    metadata: Mapping[str, Metadata] = field(default_factory=dict)
    version: int = SEALED_FORMAT
    tombstones: tuple[Tombstone, ...] = ()
    log_end: int | None = None

    def owes(self, segment: int) -> bool:
        """Whether a segment of the log holds samples that are in no block yet."""
        return segment >= self.log_start and (self.log_end is None or segment <= self.log_end)


def encode(manifest: Manifest) -> bytes:
    """FORMAT.md, "Manifest": a line with format, identity and checksum, then JSON."""
    fields: dict[str, Any] = {
        "log_start": manifest.log_start,
        "next_block": manifest.next_block,
        "blocks": [_described(entry) for entry in manifest.blocks],
        "metadata": {name: astuple(entry) for name, entry in manifest.metadata.items()},
    }
    if manifest.tombstones:
        fields["tombstones"] = tombstones.encode(manifest.tombstones)
    if manifest.log_end is not None:
        fields["log_end"] = manifest.log_end
    body = json.dumps(fields, indent=1).encode()
    crc = checksum(manifest.store, _KIND, SEALED_FORMAT, body)
    line = b"%s %d %s %08x\n" % (_WORD, SEALED_FORMAT, manifest.store.hex().encode(), crc)
    return line + body


def _described(entry: BlockEntry) -> dict[str, object]:
    fields = asdict(entry)
    if entry.level == 0:  # format 3 brought it
        del fields["level"]
    if entry.thinned_ms == 0:  # format 5 brought it
        del fields["thinned_ms"]
    return fields


def decode(content: bytes, path: Path) -> Manifest:
    """Raises `Corrupted`."""
    line, _, body = content.partition(b"\n")
    words = line.split(b" ")
    if not 3 <= len(words) <= 4 or words[0] != _WORD or not words[1].isdigit():
        raise Corrupted(path, "first line", f"is {line[:80]!r}")
    version = int(words[1])
    if not FORMAT <= version <= SEALED_FORMAT:
        found = f"format {version}; this program knows {FORMAT} to {SEALED_FORMAT}"
        raise UnknownFormat(path, "first line", found)
    if len(words) != (4 if version == SEALED_FORMAT else 3):
        raise Corrupted(path, "first line", f"is {line[:80]!r}")
    store = None
    if version == SEALED_FORMAT:
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
        tuple(BlockEntry(**entry) for entry in fields["blocks"]),
        {name: Metadata(*entry) for name, entry in fields["metadata"].items()},
        version,
        tombstones.decode(fields.get("tombstones", ())),
        fields.get("log_end"),
    )


def _identity(word: bytes, path: Path) -> bytes:
    found = bytes.fromhex(word.decode()) if _IDENTITY.fullmatch(word) else b""
    if not found:
        raise Corrupted(path, "first line", f"{word[:40]!r} is no identity")
    return found


def read(disk: Disk, folder: Path) -> Manifest | None:
    """The manifest of a store; None where there is none. Raises `Corrupted` or `OSError`."""
    path = folder / NAME
    try:
        content = disk.read_all(path)
    except FileNotFoundError:
        return None
    return decode(content, path)


def write(disk: Disk, folder: Path, manifest: Manifest) -> None:
    """Put it in place of the old one, at once. Raises `OSError`; the old one stands then."""
    replace_file(disk, folder / NAME, encode(manifest))
