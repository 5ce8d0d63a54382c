"""Chunks of the head whose time the blocks have are no data.

Prometheus deletes a file of chunks when none of them is of the head any more. Until then the file
has chunks from which samples may be deleted since: their tombstones are in the block alone.
"""

from __future__ import annotations

import struct
from pathlib import Path

import google_crc32c
import numpy as np

from novaql.inputs.prometheus import Encoding, encode_xor
from novaql.inputs.prometheus.data_directory import DataDirectory
from novaql.inputs.protobuf.wire import varint
from tests.inputs.prometheus.test_damaged_log import segment, series_record
from tests.support.programs.prometheus_data import blocks_from

HOUR_MS = 3_600_000
LATE = 0x80


def head_chunk(first_ms: int, *, late: bool = False) -> bytes:
    """Ten samples of the series 1, one a minute."""
    times = first_ms + 60_000 * np.arange(10)
    (data,) = encode_xor(times, np.ones(10), np.array([0, 10]))
    kind = Encoding.XOR | (LATE if late else 0)
    head = struct.pack(">QqqB", 1, int(times[0]), int(times[-1]), kind)
    content = head + varint(len(data)) + data
    checksum: int = google_crc32c.value(content)
    return content + checksum.to_bytes(4, "big")


def test_chunks_of_the_head_that_are_in_blocks_are_not_read(tmp_path: Path) -> None:
    folder = blocks_from(["# TYPE other gauge", "other 1 7199.999"], tmp_path / "data")
    (folder / "wal").mkdir(exist_ok=True)
    (folder / "wal" / "00000000").write_bytes(segment([series_record(1)]))
    (folder / "chunks_head").mkdir(exist_ok=True)
    block_end_ms = DataDirectory(folder).blocks[-1].meta.end_ms
    chunks = [
        head_chunk(block_end_ms - HOUR_MS),
        head_chunk(block_end_ms - HOUR_MS // 2, late=True),
        head_chunk(block_end_ms),
    ]
    header = bytes.fromhex("0130bc9101000000")
    (folder / "chunks_head" / "000001").write_bytes(header + b"".join(chunks))

    found = DataDirectory(folder).select([], 0, 2**60)

    times = np.concatenate([view.ragged().timestamps for view in found.views()])
    expected = [block_end_ms - HOUR_MS // 2 + 60_000 * k for k in range(10)]
    expected += [block_end_ms - 1]
    expected += [block_end_ms + 60_000 * k for k in range(10)]
    assert sorted(times.tolist()) == expected
