"""The bytes of a block that are not columns: header, tail, description. FORMAT.md, "Block"."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from struct import Struct
from typing import Any

from tsdb.codec.checksum import checksum
from tsdb.errors import Corrupted, UnknownFormat
from tsdb.fsio import ReadFile

FORMAT, NATIVE_FORMAT, CODED_FORMAT, CELLS_FORMAT = 1, 2, 3, 4
"""The second brought native histograms, the third pages of rows, the fourth statistics and rollups.
Written is the fourth."""
MAGIC = b"NOVABLK\n"
HEADER = Struct("<8sII16s")  # magic, format, reserved (0), identity
TAIL = Struct("<QII8s")  # description: offset, length, checksum; magic
HEADER_BYTES = HEADER.size + 4  # and the checksum of the header

PAGE, TIME_PAGE, SECTION, DESCRIPTION, HEAD = (
    b"values",
    b"times",
    b"section",
    b"describe",
    b"header",
)
"""Kinds, mixed into checksums."""
NATIVE_TIME_PAGE, NATIVE_PAGE = b"nattimes", b"natives"
START_PAGE, NATIVE_START_PAGE = b"starts", b"natstart"
MOST_ROLLUPS = 10


def cell_page(number: int, what: str) -> bytes:
    """Kind of the pages of one statistic of a rollup, or of the "times" of its cells."""
    return f"c{number}{what[:6]}".encode()


@dataclass(frozen=True, slots=True)
class Section:
    """A column somewhere in the file. `count` numbers (or texts) in `length` bytes."""

    offset: int
    length: int
    count: int
    checksum: int


@dataclass(frozen=True, slots=True)
class LabelSections:
    """One label: codes of all series, and the texts of codes 1, 2, … in byte order."""

    name: str
    codes: Section
    texts: Section


@dataclass(frozen=True, slots=True)
class PageSections:
    """Directory of a stream's pages: numbers, bytes and checksum of each, and where they begin.

    coded  whether they are pages of `codec/pages.py`, which format 3 brought; else pcodec alone
    """

    offset: int
    counts: Section
    lengths: Section
    checksums: Section
    coded: bool = False


@dataclass(frozen=True, slots=True)
class StartSections:
    """Start timestamps, in the places of the samples that they belong to; format 3 brought them.

    series  which of the series of floats, or of histograms, have any; increasing
    """

    series: Section
    pages: PageSections


@dataclass(frozen=True, slots=True)
class NativeSections:
    """Native histograms of a block.

    float_series  which series have floats, increasing
    series        which have histograms, increasing; `grid_of` is of these
    bounds_sizes  of each set of custom bounds, and `bounds`, the sets one after the other
    """

    float_series: Section
    series: Section
    samples: int
    grids: int
    grid_of: Section
    grid_length: Section
    grid_first: Section
    grid_last: Section
    times: PageSections
    histograms: PageSections
    bounds_sizes: Section
    bounds: Section
    starts: StartSections | None = None


@dataclass(frozen=True, slots=True)
class RollupSections:
    """Statistics of the series of floats, cell by cell; format 4 brought them.

    resolution_ms  0: all that a series has in the block is one cell
    lengths        how many cells each grid has
    times          of the last sample of each cell, grid after grid
    statistics     by name: of the cells of each series, series after series
    """

    resolution_ms: int
    lengths: Section
    times: PageSections
    statistics: dict[str, PageSections]


@dataclass(frozen=True, slots=True)
class Description:
    """What the file holds. Times in milliseconds, both ends included."""

    series: int
    samples: int
    first_ms: int
    last_ms: int
    grids: int
    grid_of: Section
    grid_length: Section
    grid_first: Section
    grid_last: Section
    times: PageSections
    values: PageSections
    labels: tuple[LabelSections, ...]
    native: NativeSections | None = None
    starts: StartSections | None = None
    rollups: tuple[RollupSections, ...] = ()


def encode_header(identity: bytes, version: int) -> bytes:
    fields = HEADER.pack(MAGIC, version, 0, identity)
    return fields + checksum(identity, HEAD, 0, fields).to_bytes(4, "little")


def encode_description(identity: bytes, description: Description, offset: int) -> bytes:
    """The description and the tail, to be written at `offset`, the end of the file."""
    fields = asdict(description)
    for part in (fields, fields["native"] or {}):
        for name in ("native", "starts"):
            if name in part and part[name] is None:
                del part[name]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    crc = checksum(identity, DESCRIPTION, offset, text)
    return text + TAIL.pack(offset, len(text), crc, MAGIC)


def read_identity(file: ReadFile, path: Path) -> bytes:
    """The identity that a block's file says it has. Raises `Corrupted`."""
    head = file.pread(0, HEADER_BYTES)
    if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
        raise Corrupted(path, "header", "it is not that of a block")
    found: bytes = HEADER.unpack_from(head)[3]
    if head[HEADER.size :] != checksum(found, HEAD, 0, head[: HEADER.size]).to_bytes(4, "little"):
        raise Corrupted(path, "header", "checksum differs")
    return found


def read_description(file: ReadFile, path: Path, identity: bytes) -> Description:
    """Check header and tail, and read the description.

    Raises `Corrupted`, also when this is the file of another block.
    """
    head = file.pread(0, HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        raise Corrupted(path, "header", f"only {len(head)} bytes")
    magic, version, _, found = HEADER.unpack_from(head)
    if magic != MAGIC:
        raise Corrupted(path, "header", f"begins with {magic!r}")
    if not FORMAT <= version <= CELLS_FORMAT:
        known = f"{FORMAT} to {CELLS_FORMAT}"
        raise UnknownFormat(path, "header", f"format {version}; this program knows {known}")
    if head[HEADER.size :] != checksum(found, HEAD, 0, head[: HEADER.size]).to_bytes(4, "little"):
        raise Corrupted(path, "header", "checksum differs")
    if found != identity:
        raise Corrupted(path, "header", "it is the file of another block")
    tail = file.pread(file.size - TAIL.size, TAIL.size) if file.size > TAIL.size else b""
    if len(tail) < TAIL.size:
        raise Corrupted(path, "tail", "the file is cut off")
    offset, length, crc, magic = TAIL.unpack(tail)
    if magic != MAGIC or offset + length + TAIL.size != file.size:
        raise Corrupted(path, "tail", "the file is cut off or damaged")
    text = file.pread(offset, length)
    if crc != checksum(identity, DESCRIPTION, offset, text):
        raise Corrupted(path, "description", "checksum differs")
    return _description(json.loads(text))


def _pages(fields: dict[str, Any]) -> PageSections:
    counts, lengths, checksums = (
        Section(**fields[part]) for part in ("counts", "lengths", "checksums")
    )
    coded = fields.get("coded", False)
    return PageSections(fields["offset"], counts, lengths, checksums, coded)


def _sections(fields: dict[str, Any], *names: str) -> dict[str, Section]:
    return {name: Section(**fields[name]) for name in names}


_GRIDS = ("grid_of", "grid_length", "grid_first", "grid_last")


def _description(fields: dict[str, Any]) -> Description:
    # The checksum has been verified, so the shape is what `encode_description` wrote.
    native = fields.get("native")
    return Description(
        series=fields["series"],
        samples=fields["samples"],
        first_ms=fields["first_ms"],
        last_ms=fields["last_ms"],
        grids=fields["grids"],
        **_sections(fields, *_GRIDS),
        times=_pages(fields["times"]),
        values=_pages(fields["values"]),
        labels=tuple(
            LabelSections(label["name"], Section(**label["codes"]), Section(**label["texts"]))
            for label in fields["labels"]
        ),
        native=None if native is None else _native(native),
        starts=_starts(fields),
        rollups=tuple(_rollup(rollup) for rollup in fields.get("rollups", ())),
    )


def _rollup(fields: dict[str, Any]) -> RollupSections:
    return RollupSections(
        fields["resolution_ms"],
        Section(**fields["lengths"]),
        _pages(fields["times"]),
        {name: _pages(pages) for name, pages in fields["statistics"].items()},
    )


def _starts(fields: dict[str, Any]) -> StartSections | None:
    found = fields.get("starts")
    if found is None:
        return None
    return StartSections(Section(**found["series"]), _pages(found["pages"]))


def _native(fields: dict[str, Any]) -> NativeSections:
    return NativeSections(
        samples=fields["samples"],
        grids=fields["grids"],
        **_sections(fields, "float_series", "series", *_GRIDS, "bounds_sizes", "bounds"),
        times=_pages(fields["times"]),
        histograms=_pages(fields["histograms"]),
        starts=_starts(fields),
    )
