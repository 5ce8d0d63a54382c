"""Releases the pages of the compiler once all kernels are loaded.

Loading compiled kernels runs through most of LLVM, whose library has more than 100 MB. The pages
that it has read stay in the memory of the process, 67 MiB of the 316 that a server has after its
start, although nothing needs them then. Pages that equal the file can be released: the next use
reads them again.
"""

from __future__ import annotations

import ctypes
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

log = logging.getLogger(__name__)

COMPILER = "libllvmlite.so"
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \S+ +(.*)")
_MADV_DONTNEED = 4


def release_compiler() -> None:
    """Release its unchanged pages, on Linux."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        advise = ctypes.CDLL(None, use_errno=True).madvise
        advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        with open("/proc/self/smaps", encoding="utf-8") as lines:
            for begin, end in list(unchanged(lines, COMPILER)):
                if advise(begin, end - begin, _MADV_DONTNEED):
                    log.debug("pages of %s stay in memory: %s", COMPILER, ctypes.get_errno())


def unchanged(lines: Iterable[str], library: str) -> Iterator[tuple[int, int]]:
    """Yield the addresses of the read-only mappings of a library without a changed page.

    lines  of a `smaps` file. Relocated pages are read-only, too, but changed
    """
    found: tuple[int, int] | None = None
    for line in lines:
        if line[:1] in "0123456789abcdef":
            match = _MAPPING.match(line)
            mine = match is not None and match[3].endswith(f"/{library}")
            found = (int(match[1], 16), int(match[2], 16)) if match and mine else None
        elif found and line.startswith("Anonymous:"):
            if line.split()[1] == "0":
                yield found
            found = None
