"""Releases the pages of shared libraries once everything is loaded.

Loading compiled kernels runs through most of LLVM, whose library has more than 100 MB, and each
import runs through a library's tables. The pages that were read remain in the memory of the
process, a third of the 350 MiB that a server has after its start, although little of it is needed
then. Pages that equal the file can be released: the next use reads them again.
"""

from __future__ import annotations

import ctypes
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

log = logging.getLogger(__name__)

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \S+ +(/.*)")
_LIBRARY = re.compile(r"/[^/]+\.so(\.[0-9.]+)?$")
_MADV_DONTNEED = 4


def release_libraries() -> None:
    """Release their unchanged pages, on Linux."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        advise = ctypes.CDLL(None, use_errno=True).madvise
        advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        with open("/proc/self/smaps", encoding="utf-8") as lines:
            for begin, end in list(unchanged(lines)):
                if advise(begin, end - begin, _MADV_DONTNEED):
                    log.debug("pages of a library stay in memory: %s", ctypes.get_errno())


def unchanged(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield the addresses of the read-only mappings of libraries without a changed page.

    lines  of a `smaps` file. Relocated pages are read-only, too, but changed
    """
    found: tuple[int, int] | None = None
    for line in lines:
        if line[:1] in "0123456789abcdef":
            match = _MAPPING.match(line)
            library = match is not None and _LIBRARY.search(match[3].rstrip()) is not None
            found = (int(match[1], 16), int(match[2], 16)) if match and library else None
        elif found and line.startswith("Anonymous:"):
            if line.split()[1] == "0":
                yield found
            found = None
