"""Lists of ids in statements: databases limit the number of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_AT_ONCE = 500


def batches(ids: Iterable[str]) -> Iterator[list[str]]:
    """Split ids into lists that fit into a statement."""
    every = list(ids)
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]
