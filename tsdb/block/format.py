"""The bytes of a block that are not columns: header, tail, description. FORMAT.md, "Block"."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, field
from dataclasses import fields as dataclass_fields
from functools import partial
from pathlib import Path
from struct import Struct
from typing import Any, TypeVar

from novaql.fast_dataclass import dataclass
from novaql.tsdb.disk.checksum import checksum
from novaql.tsdb.disk.vfs import ReadFile
from novaql.tsdb.errors import Corrupted, UnknownFormat

FORMAT, NATIVE_FORMAT, CODED_FORMAT, CELLS_FORMAT, PIECES_FORMAT = 1, 2, 3, 4, 5
"""Format 2 added native histograms, 3 pages of rows, 4 statistics and rollups, 5 directories and
labels in pieces. The writer writes format 5."""
MAGIC = b"NOVABLK\n"
HEADER = Struct("<8sII16s")  # magic, format, reserved (0), identity
TAIL = Struct("<QII8s")  # description: offset, length, checksum; magic
HEADER_BYTES = HEADER.size + 4  # with the header's checksum

PAGE, TIME_PAGE, SECTION, DESCRIPTION, HEAD = (
    b"values",
    b"times",
    b"section",
    b"describe",
    b"header",
)
"""Kinds of sections; part of their checksums."""
NATIVE_TIME_PAGE, NATIVE_PAGE = b"nattimes", b"natives"
START_PAGE, NATIVE_START_PAGE = b"starts", b"natstart"
MOST_ROLLUPS = 10
Sections = TypeVar("Sections")


def cell_page(number: int, what: str) -> bytes:
    """Return the kind of the pages of one statistic of a rollup, or of the "times" of its cells."""
    return f"c{number}{what[:6]}".encode()


@dataclass(frozen=True, slots=True)
class Section:
    """A column of `count` numbers (or texts) in `length` bytes at an offset of the file."""

    offset: int
    length: int
    count: int
    checksum: int


@dataclass(frozen=True, slots=True)
class PieceSections:
    """A long column in adjacent pieces, each of which is read and verified separately.

    each       numbers (or texts) in a piece; the last one may have fewer
    lengths    [pieces] bytes
    checksums  [pieces]
    """

    offset: int
    count: int
    each: int
    lengths: tuple[int, ...]
    checksums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabelSections:
    """One label: codes of all series, and the texts of codes 1, 2, … in byte order.

    codes   [series]; None if there is `starts`
    starts  [codes + 1] where the series of each code begin, for a label whose codes never decrease
    firsts  [pieces of texts] the first text of each piece; empty in older formats
    """

    name: str
    codes: PieceSections | None
    starts: PieceSections | None
    texts: PieceSections
    firsts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GridSections:
    """Directories of a layer of floats or histograms.

    grid_of      [series]
    value_bases  [pieces of grid_of] where the samples of the first series of each piece begin
    grid_bases   [pieces of grid_length] where the times of the first grid of each piece begin
    """

    grid_of: PieceSections
    value_bases: tuple[int, ...]
    grid_length: PieceSections
    grid_first: PieceSections
    grid_last: PieceSections
    grid_bases: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PageSections:
    """Directory of a stream's pages: numbers, bytes and checksum of each, and the offset of the
    first.

    coded  whether they are pages of `codec/pages.py` (format 3); otherwise pcodec alone
    """

    offset: int
    counts: Section
    lengths: Section
    checksums: Section
    coded: bool = False


@dataclass(frozen=True, slots=True)
class StartSections:
    """Start timestamps, at the positions of their samples; since format 3.

    series  which of the series of floats, or of histograms, have any; increasing
    """

    series: Section
    pages: PageSections


@dataclass(frozen=True, slots=True)
class NativeSections:
    """Native histograms of a block.

    float_series  which series have floats, increasing
    series        which series have histograms, increasing; `grid_of` is of these
    bounds_sizes  size of each set of custom bounds; `bounds` has the sets one after another
    """

    float_series: Section
    series: Section
    samples: int
    grids: int
    directory: GridSections
    times: PageSections
    histograms: PageSections
    bounds_sizes: Section
    bounds: Section
    starts: StartSections | None = None


@dataclass(frozen=True, slots=True)
class RollupSections:
    """Statistics of the series of floats for each cell; since format 4.

    resolution_ms  0: one cell has all samples of a series in the block
    lengths        number of cells of each grid
    time_bases     [pieces of lengths] where the cells of the first grid of each piece begin
    value_bases    [pieces of the directory's grid_of] the same of series
    times          of the last sample of each cell, grid after grid
    statistics     by name: of the cells of each series, series after series
    of_grids       at the positions of the times, in blocks that were merged: "firsts", times of the
                   first samples, and "sizes", number of samples of the grid in each cell
    """

    resolution_ms: int
    lengths: PieceSections
    time_bases: tuple[int, ...]
    value_bases: tuple[int, ...]
    times: PageSections
    statistics: dict[str, PageSections]
    of_grids: dict[str, PageSections] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """The content of the file. Times in milliseconds, both ends included.

    downsampled_ms  0, or the resolution of the cells of which only the last sample is left; since
                format 5
    """

    series: int
    samples: int
    first_ms: int
    last_ms: int
    grids: int
    directory: GridSections
    times: PageSections
    values: PageSections
    labels: tuple[LabelSections, ...]
    native: NativeSections | None = None
    starts: StartSections | None = None
    rollups: tuple[RollupSections, ...] = ()
    downsampled_ms: int = 0


def encode_header(identity: bytes, version: int) -> bytes:
    fields = HEADER.pack(MAGIC, version, 0, identity)
    return fields + checksum(identity, HEAD, 0, fields).to_bytes(4, "little")


def encode_description(identity: bytes, description: Description, offset: int) -> bytes:
    """Return the description and the tail, to be written at `offset`, the end of the file."""
    fields = asdict(description)
    for part in (fields, fields["native"] or {}, *fields["labels"]):
        for name in ("native", "starts", "codes"):
            if name in part and part[name] is None:
                del part[name]
    if downsampled_ms := fields.pop("downsampled_ms"):
        fields["thinned_ms"] = downsampled_ms
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    crc = checksum(identity, DESCRIPTION, offset, text)
    return text + TAIL.pack(offset, len(text), crc, MAGIC)


def read_identity(file: ReadFile, path: Path) -> bytes:
    """Return the identity in the header of a block's file. Raises `Corrupted`."""
    head = file.pread(0, HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        raise Corrupted(path, "header", f"only {len(head)} bytes")
    found: bytes
    magic, version, _, found = HEADER.unpack_from(head)
    if magic != MAGIC:
        raise Corrupted(path, "header", f"begins with {magic!r}")
    if not FORMAT <= version <= PIECES_FORMAT:
        known = f"{FORMAT} to {PIECES_FORMAT}"
        raise UnknownFormat(path, "header", f"format {version}; this version supports {known}")
    if head[HEADER.size :] != checksum(found, HEAD, 0, head[: HEADER.size]).to_bytes(4, "little"):
        raise Corrupted(path, "header", "checksum differs")
    return found


def read_description(file: ReadFile, path: Path, identity: bytes) -> Description:
    """Verify header and tail, and read the description.

    Raises `Corrupted`, also for the file of another block.
    """
    if read_identity(file, path) != identity:
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


def _description(fields: dict[str, Any]) -> Description:
    # The checksum has been verified, so the shape is what `encode_description` wrote.
    downsampled_ms = fields.get("thinned_ms", 0)
    return _made(Description, _with_directory({**fields, "downsampled_ms": downsampled_ms}))


def _made(kind: type[Sections], fields: dict[str, Any]) -> Sections:
    """Return an object of a class above from JSON, in which fields with the default may be
    absent."""
    decoders = _DECODERS[kind]
    return kind(**{name: decode(fields[name]) for name, decode in decoders if name in fields})


def _with_directory(fields: dict[str, Any]) -> dict[str, Any]:
    """In formats 1 to 4, the sections of the directory are among the others, in a single piece."""
    if "directory" in fields:
        return fields
    return {**fields, "directory": {**fields, "value_bases": (0,), "grid_bases": (0,)}}


def _pieces(fields: dict[str, Any] | None) -> PieceSections | None:
    """Return the pieces of a section. In formats 1 to 4 it is a single piece."""
    if fields is None:
        return None
    if "each" not in fields:
        lengths, checksums = (fields["length"],), (fields["checksum"],)
        each = max(1, fields["count"])
        return PieceSections(fields["offset"], fields["count"], each, lengths, checksums)
    lengths, checksums = tuple(fields["lengths"]), tuple(fields["checksums"])
    return PieceSections(fields["offset"], fields["count"], fields["each"], lengths, checksums)


def _label(fields: dict[str, Any]) -> LabelSections:
    return _made(LabelSections, {"codes": None, "starts": None, **fields})


def _rollup(fields: dict[str, Any]) -> RollupSections:
    return _made(RollupSections, {"time_bases": (0,), "value_bases": (0,), **fields})


_BY_TYPE: dict[Any, Callable[[Any], Any]] = {
    "Section": lambda found: Section(**found),
    "PageSections": partial(_made, PageSections),
    "PieceSections": _pieces,
    "PieceSections | None": _pieces,
    "GridSections": partial(_made, GridSections),
    "StartSections | None": lambda found: found and _made(StartSections, found),
    "NativeSections | None": lambda found: found and _made(NativeSections, _with_directory(found)),
    "tuple[int, ...]": tuple,
    "tuple[str, ...]": tuple,
    "tuple[LabelSections, ...]": lambda found: tuple(map(_label, found)),
    "tuple[RollupSections, ...]": lambda found: tuple(map(_rollup, found)),
    "dict[str, PageSections]": lambda found: {n: _made(PageSections, found[n]) for n in found},
}
"""Decoders of fields, by the type in the class."""
_DECODERS: dict[Any, list[tuple[str, Callable[[Any], Any]]]] = {
    kind: [(f.name, _BY_TYPE.get(f.type, lambda value: value)) for f in dataclass_fields(kind)]
    for kind in (
        Description, GridSections, LabelSections, NativeSections, PageSections, RollupSections,
        StartSections,
    )
}  # fmt: skip
"""Class → its fields, and the decoder of each."""
