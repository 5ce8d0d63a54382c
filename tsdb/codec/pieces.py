"""Positions of pieces of a flat array."""

from __future__ import annotations

import numpy as np

from novaql.tsdb.labels import Ints


def flat_positions(starts: Ints, lengths: Ints) -> Ints:
    """Positions of all pieces, one piece after the other: start, start + 1, …, next start, …"""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    positions: Ints = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return positions
