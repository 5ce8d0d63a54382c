"""The index of a Prometheus block, version 2: labels of its series, and where their chunks are.

All series are read at once and in step: the first label of each, then the second, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np

from novaql.inputs.prometheus.varints import Octets, live_counts, padded, uvarints, varints
from novaql.tsdb.errors import Corrupted, UnknownFormat
from novaql.tsdb.model.labels import Ints, LabelColumn, SeriesTable

_MAGIC = 0xBAAAD700
_CRC = 4
_TOC = 6 * 8 + _CRC


@dataclass(frozen=True, slots=True, eq=False)
class BlockIndex:
    """Series of a block and their chunks, series after series.

    references     [S] what tombstones call each series
    chunk_offsets  [S + 1] series i owns chunks chunk_offsets[i]:chunk_offsets[i + 1]
    first_ms, last_ms, places   [C] of the chunks: times of the first and the last sample, and
                   number of the file and place in it in one number
    """

    series: SeriesTable
    references: Ints
    chunk_offsets: Ints
    first_ms: Ints
    last_ms: Ints
    places: Ints


def read_index(path: Path) -> BlockIndex:
    """Read an index file and verify every checksum on the way. Raises `Corrupted`."""
    raw = path.read_bytes()
    if len(raw) < 5 + _TOC or int.from_bytes(raw[:4], "big") != _MAGIC:
        raise Corrupted(path, "header", "this is no index of a Prometheus block")
    if raw[4] != 2:
        raise UnknownFormat(path, "header", f"version {raw[4]} of the index is not known")
    toc = raw[-_TOC:]
    _verify(path, "table of contents", toc[:-_CRC], toc[-_CRC:])
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
    if int(google_crc32c.value(content)) != int.from_bytes(checksum, "big") or len(checksum) < _CRC:
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
                shift = 7
                size &= 0x7F
                while True:
                    byte = content[at]
                    at += 1
                    size |= (byte & 0x7F) << shift
                    if byte < 0x80:
                        break
                    shift += 7
            out.append(content[at : at + size])
            at += size
    except IndexError:
        at = len(content) + 1
    if at > len(content):
        raise Corrupted(path, "symbols", f"there is no room for {count} texts")
    return out


def _all_series(path: Path, raw: bytes, table: int) -> Ints:
    """References of all series, from the list of postings of no label at all."""
    content = _section(path, raw, table, "table of postings")
    if len(content) < 8 or content[4:7] != b"\x02\x00\x00":
        raise Corrupted(path, "table of postings", "the list of all series is not there")
    place, shift = 0, 0
    for byte in content[7:17]:
        place |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    postings = _section(path, raw, place, "list of all series")
    return np.frombuffer(postings[4:], ">u4").astype(np.int64)


def _series(path: Path, raw: bytes, references: Ints, symbols: Sequence[bytes]) -> BlockIndex:
    data = padded(raw)
    size, begin = uvarints(data, references * 16)
    end = begin + size
    if len(end) and int(end.max()) + _CRC > len(raw):
        raise Corrupted(path, "series", "an entry reaches beyond the end of the file")
    _verify_series(path, raw, begin, end)
    columns, at = _labels(path, data, begin, symbols)
    chunks, at = uvarints(data, at)
    room = np.maximum(end - at, 0)
    if (chunks > room).any():
        raise Corrupted(path, f"series {int(np.argmax(chunks > room))}", "it has too many chunks")
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
    value, view = google_crc32c.value, memoryview(raw)
    stored = np.zeros(len(end), np.int64)
    octets = np.frombuffer(raw, np.uint8)
    for byte in range(_CRC):
        stored = stored << 8 | octets[end + byte]
    for number, (a, b, crc) in enumerate(
        zip(begin.tolist(), end.tolist(), stored.tolist(), strict=True)
    ):
        if value(bytes(view[a:b])) != crc:
            raise Corrupted(path, f"series {number}", "the checksum does not fit")


def _labels(
    path: Path, data: Octets, at: Ints, symbols: Sequence[bytes]
) -> tuple[dict[str, LabelColumn], Ints]:
    """Label columns of all series, and the place behind the labels of each."""
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
