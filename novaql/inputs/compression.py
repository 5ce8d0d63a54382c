"""Files that may be compressed with gzip or zstandard, read as plain bytes."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from novaql.errors import InputError
from novaql.inputs.batch_stream import Progress, no_progress

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
PACKED_SUFFIXES = (".gz", ".zst")


class CountingFile(io.RawIOBase):
    """A file that reports how many of its bytes on disk have been read."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._total = path.stat().st_size
        self._done = 0
        self._progress = progress

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._done = self._file.seek(offset, whence)
        return self._done

    def readinto(self, buffer: object) -> int:
        count = self._file.readinto(buffer)  # type: ignore[arg-type]
        self._done += count
        if count:
            self._progress(self._done, self._total)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def open_plain(path: Path, progress: Progress = no_progress) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file; its first bytes show how it is compressed.

    Raises `InputError` if the file cannot be read or decompressed.
    """
    try:
        with io.BufferedReader(CountingFile(path, progress), 1 << 20) as file:
            head = file.peek(4)[:4]
            if head.startswith(_GZIP):
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield cast(BinaryIO, unpacked)
            elif head.startswith(_ZSTD):
                import pyarrow as pa  # noqa: PLC0415 - heavy, and only these files need it

                with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as stream:
                    yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, stream), 1 << 20))
            else:
                yield file
    except (OSError, EOFError, zlib.error) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise InputError(f"{path}: {reason}") from problem


def first_lines(path: Path, size: int) -> bytes | None:
    """The whole lines in the first bytes of a file, decompressed; None for a file that has fewer
    than `size`."""
    with open_plain(path) as file:
        first = file.read(size)
    return None if len(first) < size else first[: first.rfind(b"\n") + 1]


def read_tail(path: Path, size: int) -> bytes:
    """The last bytes of a file, decompressed: of a compressed file, after reading all of it."""
    tail = b""
    with open_plain(path) as file:
        if isinstance(file, io.BufferedReader) and isinstance(file.raw, CountingFile):
            file.seek(max(0, path.stat().st_size - size))
        while block := file.read(1 << 20):
            tail = (tail + block)[-size:]
    return tail
