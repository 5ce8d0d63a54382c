"""The index of a Prometheus block, version 2: labels of its series, and where their chunks are.

All series are read in lockstep: the first label of each, then the second, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.prometheus.varints import (
    CHECKSUM,
    Octets,
    is_intact,
    live_counts,
    padded,
    uvarint,
    uvarints,
    varints,
)
from novaql.tsdb.errors import Corrupted, UnknownFormat
from novaql.tsdb.model.labels import Ints, LabelColumn, SeriesTable

_MAGIC = 0xBAAAD700
_TOC = 6 * 8 + CHECKSUM


@dataclass(frozen=True, slots=True, eq=False)
class BlockIndex:
    """Series of a block and their chunks, series after series.

    references         [S] number of each series in tombstones
    chunk_offsets      [S + 1] series i has chunks chunk_offsets[i]:chunk_offsets[i + 1]
    first_ms, last_ms  [C] of each chunk, times of the first and the last sample
    places             [C] number of its file, times 2^32, and position in the file
    """

    series: SeriesTable
    references: Ints
    chunk_offsets: Ints
    first_ms: Ints
    last_ms: Ints
    places: Ints


def read_index(path: Path) -> BlockIndex:
    """Read an index file and verify its checksums. Raises `Corrupted`."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise Corrupted(path, "the file", "it is missing") from None
    if len(raw) < 5 + _TOC or int.from_bytes(raw[:4], "big") != _MAGIC:
        raise Corrupted(path, "header", "this is no index of a Prometheus block")
    if raw[4] != 2:
        raise UnknownFormat(path, "header", f"version {raw[4]} of the index is not known")
    toc = raw[-_TOC:]
    _verify(path, "table of contents", toc[:-CHECKSUM], toc[-CHECKSUM:])
    places = [int.from_bytes(toc[at : at + 8], "big") for at in range(0, 48, 8)]
    symbols = _symbols(path, _section(path, raw, places[0], "symbols"))
    references = _all_series(path, raw, places[5])
    return _series(path, raw, references, symbols)


def _section(path: Path, raw: bytes, at: int, what: str) -> bytes:
    """The content of a section that begins with its size and ends with its checksum."""
    size = int.from_bytes(raw[at : at + 4], "big")
    content = raw[at + 4 : at + 4 + size]
    _verify(path, what, content, raw[at + 4 + size : at + 8 + size])
    return content


def _verify(path: Path, what: str, content: bytes, checksum: bytes) -> None:
    if not is_intact(content, checksum):
        raise Corrupted(path, what, "the checksum does not fit")


def _symbols(path: Path, content: bytes) -> list[bytes]:
    count = int.from_bytes(content[:4], "big")
    out: list[bytes] = []
    at = 4
    try:
        for _ in range(count):
            size = content[at]
            at += 1
            if size >= 0x80:
                size, at = uvarint(content, at - 1)
            out.append(content[at : at + size])
            at += size
    except IndexError:
        at = len(content) + 1
    if at > len(content):
        raise Corrupted(path, "symbols", f"{count} texts do not fit")
    return out


def _all_series(path: Path, raw: bytes, table: int) -> Ints:
    """References of all series: the list of postings of the empty label."""
    content = _section(path, raw, table, "table of postings")
    if len(content) < 8 or content[4:7] != b"\x02\x00\x00":
        raise Corrupted(path, "table of postings", "the list of all series is not there")
    place, _ = uvarint(content, 7)
    postings = _section(path, raw, place, "list of all series")
    return np.frombuffer(postings[4:], ">u4").astype(np.int64)


def _series(path: Path, raw: bytes, references: Ints, symbols: Sequence[bytes]) -> BlockIndex:
    data = padded(raw)
    size, begin = uvarints(data, references * 16)
    end = begin + size
    if len(end) and int(end.max()) + CHECKSUM > len(raw):
        raise Corrupted(path, "series", "an entry reaches beyond the end of the file")
    _verify_series(path, raw, begin, end)
    columns, at = _labels(path, data, begin, symbols)
    chunks, at = uvarints(data, at)
    excess = chunks > np.maximum(end - at, 0)
    if excess.any():
        raise Corrupted(path, f"series {int(np.argmax(excess))}", "it has too many chunks")
    offsets = np.concatenate([[0], np.cumsum(chunks)]).astype(np.int64)
    first, last, place = (np.empty(offsets[-1], np.int64) for _ in range(3))
    order, live = live_counts(chunks)
    at, before, file_place = (
        at[order],
        np.zeros(len(order), np.int64),
        np.zeros(len(order), np.int64),
    )
    out = offsets[order]
    for k, n in enumerate(live.tolist()):
        at, before, file_place = at[:n], before[:n], file_place[:n]
        if k == 0:
            low, at = varints(data, at)
        else:
            step, at = uvarints(data, at)
            low = before + step
        span, at = uvarints(data, at)
        if k == 0:
            file_place, at = uvarints(data, at)
        else:
            by, at = varints(data, at)
            file_place = file_place + by
        before = low + span
        first[out[:n] + k], last[out[:n] + k], place[out[:n] + k] = low, before, file_place
    table = SeriesTable.from_columns(len(references), columns)
    return BlockIndex(table, references, offsets, first, last, place)


def _verify_series(path: Path, raw: bytes, begin: Ints, end: Ints) -> None:
    for number, (first, stop) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        if not is_intact(raw[first:stop], raw[stop : stop + CHECKSUM]):
            raise Corrupted(path, f"series {number}", "the checksum does not fit")


def _labels(
    path: Path, data: Octets, at: Ints, symbols: Sequence[bytes]
) -> tuple[dict[str, LabelColumn], Ints]:
    """Label columns of all series, and the position after the labels of each."""
    counts, at = uvarints(data, at)
    order, live = live_counts(counts)
    places = at[order]
    rows, names, values = [], [], []
    for n in live.tolist():
        name, behind = uvarints(data, places[:n])
        value, behind = uvarints(data, behind)
        places[:n] = behind
        rows.append(order[:n])
        names.append(name)
        values.append(value)
    behind_all = np.empty_like(at)
    behind_all[order] = places
    if not rows:
        return {}, behind_all
    row, name, value = (np.concatenate(part) for part in (rows, names, values))
    if max(int(name.max()), int(value.max())) >= len(symbols):
        raise Corrupted(path, "series", "a label names a text that is not there")
    columns: dict[str, LabelColumn] = {}
    by_name = np.argsort(name, kind="stable")
    bounds = np.flatnonzero(np.diff(name[by_name], prepend=-1, append=-1))
    for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        some = by_name[a:b]
        used, codes = np.unique(value[some], return_inverse=True)
        column = np.zeros(len(at), np.int32)
        column[row[some]] = codes.ravel() + 1
        texts = tuple(symbols[code].decode("utf-8", "replace") for code in used.tolist())
        columns[symbols[int(name[some[0]])].decode("utf-8", "replace")] = LabelColumn(
            column, ("", *texts)
        )
    return columns, behind_all
