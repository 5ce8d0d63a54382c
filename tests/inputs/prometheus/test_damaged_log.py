"""Damage of the log of a Prometheus that no checksum covers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import google_crc32c
import pytest

from novaql import InputError, query
from novaql.inputs.prometheus.data_directory import DataDirectory
from novaql.inputs.prometheus.wal_segments import PAGE_BYTES
from novaql.inputs.protobuf.wire import varint
from novaql.tsdb.errors import Corrupted
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.source import Hints

EVER = (0, 2**60)
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
HEADER = 7


def fragment(kind: int, content: bytes) -> bytes:
    return struct.pack(">BHI", kind, len(content), google_crc32c.value(content)) + content


def segment(records: Sequence[bytes]) -> bytes:
    """Cut where pages end, as Prometheus does."""
    data = b""
    for record in records:
        kind, left = FIRST, record
        while True:
            space = PAGE_BYTES - len(data) % PAGE_BYTES
            if space <= HEADER:
                data += bytes(space)
                continue
            if len(left) + HEADER <= space:
                data += fragment(FULL if kind == FIRST else LAST, left)
                break
            data += fragment(kind, left[: space - HEADER])
            kind, left = MIDDLE, left[space - HEADER :]
    return data


def series_record(number: int) -> bytes:
    texts = (b"__name__", b"m", b"i", b"%d" % number)
    labels = b"".join(varint(len(text)) + text for text in texts)
    return b"\x01" + number.to_bytes(8, "big") + varint(2) + labels


def samples_record(number: int, first: int, count: int) -> bytes:
    sample = (b"\x00" + varint(2 * k) + struct.pack(">d", k) for k in range(first, first + count))
    return b"\x02" + number.to_bytes(8, "big") + (1000).to_bytes(8, "big") + b"".join(sample)


def samples_of(folder: Path, read_errors: ReadErrors | None = None) -> int:
    return DataDirectory(folder).select([], *EVER, Hints(read_errors=read_errors)).samples


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "wal").mkdir()
    (tmp_path / "chunks_head").mkdir()
    return tmp_path / "wal"


def test_a_flipped_bit_of_a_header_is_never_silent(log: Path) -> None:
    records = [series_record(1), samples_record(1, 0, 5), samples_record(1, 5, 8000)]
    records += [samples_record(1, 8005, 7), series_record(2), samples_record(2, 0, 3)]
    data = segment(records)
    (log / "00000000").write_bytes(data)
    whole = samples_of(log.parent)
    assert whole == 5 + 8000 + 7 + 3
    assert len(data) > 2 * PAGE_BYTES
    at, headers = 0, []
    while at < len(data):
        headers.append((at, data[at]))
        at += HEADER + int.from_bytes(data[at + 1 : at + 3], "big")
    assert {kind for _, kind in headers} == {FULL, FIRST, MIDDLE, LAST}
    for at, _ in headers:
        for bit in (0, 1, 2):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            (log / "00000000").write_bytes(damaged)
            with pytest.raises(Corrupted, match="00000000: record"):
                samples_of(log.parent)
            read_errors = ReadErrors()
            assert samples_of(log.parent, read_errors) < whole
            assert read_errors


def test_records_after_one_that_is_not_complete_are_read(log: Path) -> None:
    """As after a write that failed on a full disk."""
    begun = fragment(FIRST, samples_record(1, 0, 5))
    after = fragment(FULL, samples_record(1, 5, 2))
    (log / "00000000").write_bytes(segment([series_record(1)]) + begun + after)
    read_errors = ReadErrors()
    assert samples_of(log.parent, read_errors) == 2
    assert len(read_errors) == 1


@pytest.mark.parametrize("missing", ["wal/00000001", "chunks_head/000002"])
def test_a_missing_file_between_others_is_named(log: Path, missing: str) -> None:
    for number in range(3):
        records = [series_record(1), samples_record(1, number, 1)]
        (log / f"{number:08d}").write_bytes(segment(records))
        (log.parent / "chunks_head" / f"{number + 1:06d}").write_bytes(b"")
    assert samples_of(log.parent) == 3
    (log.parent / missing).unlink()
    with pytest.raises(Corrupted, match=f"{missing}: the file: it is missing"):
        samples_of(log.parent)


def test_a_checkpoint_replaces_the_segments_up_to_its_number(log: Path) -> None:
    (log / "checkpoint.00000003").mkdir()
    (log / "checkpoint.00000003" / "00000000").write_bytes(segment([series_record(1)]))
    (log / "00000004").write_bytes(segment([samples_record(1, 0, 2)]))
    assert samples_of(log.parent) == 2
    (log / "00000004").rename(log / "00000005")
    with pytest.raises(Corrupted, match="wal/00000004: the file: it is missing"):
        samples_of(log.parent)


def test_a_directory_with_a_log_alone_is_data(log: Path) -> None:
    """As that of a Prometheus in agent mode."""
    records = [series_record(1), samples_record(1, 0, 5)]
    (log / "00000007").write_bytes(segment(records))
    (log.parent / "chunks_head").rmdir()

    assert query("m", log.parent, time=1.003).values.tolist() == [[3.0]]
    (log / "00000007").rename(log / "notes")
    with pytest.raises(InputError, match="holds no file of metrics"):
        query("m", log.parent, time=1.003)
