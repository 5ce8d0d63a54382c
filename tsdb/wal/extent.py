"""What a manifest says of the log's segments, held against what is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

FILE = "file"
"""The place of damage that is the file as a whole."""


def expected(
    segments: Mapping[int, int] | None, there: Collection[int], log_start: int
) -> dict[int, int]:
    """Bytes that each segment must have at least.

    segments: as in the manifest. None: an earlier format, which does not say; its segments are
    numbered without a gap.
    """
    if segments is not None:
        return dict(segments)
    return dict.fromkeys(range(log_start, max(there, default=0) + 1), 0)


def shortfalls(least: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, tuple[str, str]]:
    """Segment → (place, problem) where one is missing or ends too early.

    least  bytes that each must have
    ends   where the last whole record of each ends that is there
    """
    found: dict[int, tuple[str, str]] = {}
    for number, size in sorted(least.items()):
        end = ends.get(number)
        if end is None:
            found[number] = FILE, "it is missing; its samples are lost"
        elif end < size:
            found[number] = f"offset {end}", f"cut off; {size - end} bytes that followed are lost"
    return found
