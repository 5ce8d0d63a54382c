"""The write-ahead log of Prometheus → its records, decompressed.

A segment consists of pages of 32 KiB; a record is one or more fragments, none of which crosses a
page. A damaged page is skipped, and with it the records that have fragments in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cramjam

from novaql.inputs.prometheus.varints import is_intact
from novaql.tsdb.errors import Corrupted
from novaql.tsdb.model.read_errors import ReadErrors, note_or_raise

PAGE_BYTES = 32 << 10
_HEADER = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_SNAPPY, _ZSTD = 8, 16


def segments_of(log: Path) -> list[Path]:
    """Files of a log in order: those of its last checkpoint, then those after it."""
    if not log.is_dir():
        return []
    checkpoints = sorted(p for p in log.glob("checkpoint.*") if p.suffix[1:].isdigit())
    segments = sorted(p for p in log.iterdir() if p.name.isdigit())
    if not checkpoints:
        return segments
    last = checkpoints[-1]
    before = sorted(p for p in last.iterdir() if p.name.isdigit())
    return before + [p for p in segments if int(p.name) > int(last.suffix[1:])]


def read_records(
    paths: Sequence[Path], read_errors: ReadErrors | None
) -> Iterator[tuple[Path, list[bytes]]]:
    """The records of each segment.

    An incomplete record at the end of the last segment was never acknowledged, and is not damage.
    Damage is noted and skipped, or raised as `Corrupted`.
    """
    for number, path in enumerate(paths):
        is_last = number == len(paths) - 1 or path.parent != paths[number + 1].parent
        yield path, list(_segment_records(path, read_errors, is_last=is_last))


def _segment_records(
    path: Path, read_errors: ReadErrors | None, *, is_last: bool
) -> Iterator[bytes]:
    data = path.read_bytes()
    parts: list[bytes] = []
    for at in range(0, len(data), PAGE_BYTES):
        page = data[at : at + PAGE_BYTES]
        open_end = is_last and at + PAGE_BYTES >= len(data)
        try:
            for kind, fragment in _fragments(path, page, at, open_end=open_end):
                step = kind & 7
                if step in (_FULL, _FIRST):
                    parts = []
                elif not parts:
                    continue  # its beginning was damaged, which has been noted
                parts.append(fragment)
                if step in (_FULL, _LAST):
                    record, parts = b"".join(parts), []
                    yield _unpacked(path, at, kind, record)
        except Corrupted as problem:
            note_or_raise(problem, read_errors)
            parts = []


def _fragments(
    path: Path, page: bytes, begin: int, *, open_end: bool
) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(page) and (kind := page[at]) & 7:
        start = at + _HEADER
        size = int.from_bytes(page[at + 1 : at + 3], "big")
        fragment = page[start : start + size]
        if start + size > len(page):
            if open_end:
                return  # the writer was stopped here
            raise Corrupted(path, f"record at byte {begin + at}", "it reaches beyond its page")
        if not is_intact(fragment, page[at + 3 : start]):
            raise Corrupted(path, f"record at byte {begin + at}", "the checksum does not fit")
        yield kind, fragment
        at = start + size


def _unpacked(path: Path, at: int, kind: int, record: bytes) -> bytes:
    try:
        if kind & _SNAPPY:
            return bytes(cramjam.snappy.decompress_raw(record))
        if kind & _ZSTD:
            return bytes(cramjam.zstd.decompress(record))
    except cramjam.DecompressionError as problem:
        raise Corrupted(path, f"record in the page at byte {at}", str(problem)) from problem
    return record
