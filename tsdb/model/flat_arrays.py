"""Ranges of a flat array, in which the items of many series follow one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.tsdb.model.labels import Ints


def flat_positions(starts: Ints, lengths: Ints) -> Ints:
    """Return the positions of all ranges, one range after the other.

    starts   the first position of each range
    lengths  the number of positions of each range; 0 is allowed
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    positions: Ints = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return positions


def joined_starts(parts: Sequence[tuple[Ints | None, int]]) -> Ints | None:
    """Concatenate start timestamps, each given with its number of samples; None if there are
    none."""
    if all(starts is None for starts, _ in parts):
        return None
    return np.concatenate(
        [np.zeros(count, np.int64) if starts is None else starts for starts, count in parts]
    )
