"""The nearest of many names, by edit distance."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from difflib import SequenceMatcher

MOST_COMPARED = 200
"""Names of which the edit distance is computed: those that share most triples of letters."""
MOST_SCANNED = 200_000
LEAST_RATIO = 0.6
LONGEST = 200
"""Longer names are compared by their beginnings: the time grows with the product of the lengths."""


def nearest(word: str, names: Sequence[str], count: int = 3) -> tuple[str, ...]:
    """Return the names most like a word, the best first; none that is very different."""
    word = word[:LONGEST].lower()
    wanted = _triples(word)
    few = names[:MOST_SCANNED]
    if len(few) > MOST_COMPARED:
        few = heapq.nlargest(MOST_COMPARED, few, key=lambda name: len(wanted & _triples(name)))
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(word)
    ranked = []
    for name in few:
        matcher.set_seq1(name[:LONGEST].lower())
        if matcher.quick_ratio() >= LEAST_RATIO and (ratio := matcher.ratio()) >= LEAST_RATIO:
            ranked.append((-ratio, name))
    return tuple(name for _, name in sorted(ranked)[:count])


def _triples(text: str) -> frozenset[str]:
    padded = f"  {text[:LONGEST].lower()} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))
