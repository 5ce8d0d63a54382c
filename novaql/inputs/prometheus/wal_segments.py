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
        if number:
            note_gap(paths[number - 1], path, read_errors)
        is_last = number == len(paths) - 1 or path.parent != paths[number + 1].parent
        yield path, list(_segment_records(path, read_errors, is_last=is_last))


def note_gap(before: Path, path: Path, read_errors: ReadErrors | None) -> None:
    """Note or raise that the file between two numbered files is missing.

    before  of the same folder, or of the checkpoint that replaces the segments up to its number
    """
    last = int(before.name if before.parent == path.parent else before.parent.suffix[1:])
    if int(path.name) > last + 1:
        missing = path.with_name(f"{last + 1:0{len(path.name)}d}")
        note_or_raise(Corrupted(missing, "the file", "it is missing"), read_errors)


def _segment_records(
    path: Path, read_errors: ReadErrors | None, *, is_last: bool
) -> Iterator[bytes]:
    data = path.read_bytes()
    parts: list[bytes] = []
    skipping = False  # the rest of a damaged record, which was noted
    for at in range(0, len(data), PAGE_BYTES):
        page = data[at : at + PAGE_BYTES]
        open_end = is_last and at + PAGE_BYTES >= len(data)
        try:
            for kind, fragment in _fragments(path, page, at, open_end=open_end):
                step = kind & 7
                begins = step in (_FULL, _FIRST)
                known = begins or (step <= _LAST and bool(parts))
                if not (known or skipping) or (begins and parts):
                    # Checksums do not cover the kind.
                    note_or_raise(_not_in_order(path, at), read_errors)
                if begins or not known:
                    parts = []
                skipping = not known
                if skipping:
                    continue
                parts.append(fragment)
                if step in (_FULL, _LAST):
                    record, parts = b"".join(parts), []
                    yield _unpacked(path, at, kind, record)
        except Corrupted as problem:
            note_or_raise(problem, read_errors)
            parts, skipping = [], True


def _not_in_order(path: Path, at: int) -> Corrupted:
    reason = "its fragments are not in order"
    return Corrupted(path, f"record in the page at byte {at}", reason)


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
    if any(page[at:]):
        raise Corrupted(path, f"record at byte {begin + at}", "its kind is not known")


def _unpacked(path: Path, at: int, kind: int, record: bytes) -> bytes:
    try:
        if kind & _SNAPPY:
            return bytes(cramjam.snappy.decompress_raw(record))
        if kind & _ZSTD:
            return bytes(cramjam.zstd.decompress(record))
    except cramjam.DecompressionError as problem:
        raise Corrupted(path, f"record in the page at byte {at}", str(problem)) from problem
    return record
