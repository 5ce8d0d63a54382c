"""Compares the log's segments with the manifest's record of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

FILE = "file"
"""The `place` of damage to a file as a whole."""


def expected(
    segments: Mapping[int, int] | None, there: Collection[int], log_start: int
) -> dict[int, int]:
    """Return the minimum size of each segment.

    segments: as in the manifest. None: an earlier format, which has no sizes; its segments are
    numbered without a gap.
    """
    if segments is not None:
        return dict(segments)
    return dict.fromkeys(range(log_start, max(there, default=0) + 1), 0)


def shortfalls(least: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, tuple[str, str]]:
    """Return (place, problem) for each segment that is missing or ends too early.

    least  minimum sizes
    ends   where the last whole record of each existing segment ends
    """
    found: dict[int, tuple[str, str]] = {}
    for number, size in sorted(least.items()):
        end = ends.get(number)
        if end is None:
            found[number] = FILE, "it is missing; its samples are lost"
        elif end < size:
            found[number] = f"offset {end}", f"cut off; {size - end} bytes that followed are lost"
    return found
