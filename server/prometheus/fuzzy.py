"""How well a text matches a search term: a score in 0 … 1, or None for no match.

The scores are those of Prometheus's search API, so that clients rank alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Scorer = Callable[[str], float | None]

ALGORITHMS = ("subsequence", "jarowinkler")
_PREFIX_WEIGHT = 0.1
_LONGEST_PREFIX = 4


def scorer(
    terms: Sequence[str], *, algorithm: str, threshold: float, case_sensitive: bool
) -> Scorer:
    """Scores a text by the best of the terms; no terms: everything matches fully.

    threshold  0 … 1; a fuzzy match below it is none
    """
    of_term = _subsequence if algorithm == "subsequence" else _substring_or_jaro_winkler
    scorers = [of_term(t if case_sensitive else t.lower(), threshold) for t in terms]

    def score(text: str) -> float | None:
        if not scorers:
            return 1.0
        compared = text if case_sensitive else text.lower()
        found = [points for one in scorers if (points := one(compared)) is not None]
        return max(found, default=None)

    return score


def _subsequence(term: str, threshold: float) -> Scorer:
    in_order = re.compile(".*?".join(map(re.escape, term)), re.DOTALL)

    def score(text: str) -> float | None:
        if text.startswith(term):
            return 1.0
        if in_order.search(text) is None:  # settles most texts, and quickly
            return None
        points = subsequence_score(term, text)
        return points if points > 0 and points >= threshold else None

    return score


def _substring_or_jaro_winkler(term: str, threshold: float) -> Scorer:
    def score(text: str) -> float | None:
        if text.startswith(term):
            return 1.0
        if term in text:
            return 0.9
        if threshold == 0:
            return None
        points = jaro_winkler(term, text)
        return points if points >= threshold else None

    return score


def subsequence_score(term: str, text: str) -> float:
    """Long runs of the term in the text count, gaps cost; the best of all places to begin at.

    Σ run² - Σ gap / len(text) - tail / (2 len(text)), over len(term)²; 0 if the term's letters
    do not stand in the text in order.
    """
    best = -1.0
    start = text.find(term[0])
    while start >= 0:
        points = _points_from(term, text, start)
        if points is None:  # a later start leaves less to find the rest in
            break
        best = max(best, points)
        start = text.find(term[0], start + 1)
    return best / len(term) ** 2 if best >= 0 else 0.0


def _points_from(term: str, text: str, start: int) -> float | None:
    size = len(text)
    points, done, end, at = 0.0, 0, 0, start
    while done < len(term):
        at = text.find(term[done], at)
        if at < 0:
            return None
        points -= (at - end) / size
        first = at
        while done < len(term) and at < size and text[at] == term[done]:
            done, at = done + 1, at + 1
        points += (at - first) ** 2
        end = at
    return points - (size - end) / size / 2


def jaro_winkler(one: str, other: str) -> float:
    """Similarity of two texts: 1 for equal ones; letters out of place and a common beginning
    count."""
    if one == other:
        return 1.0
    if not one or not other:
        return 0.0
    short, long = sorted((one, other), key=len)
    reach = max(len(long) // 2 - 1, 0)
    taken = [False] * len(long)
    matched: list[str] = []
    for place, letter in enumerate(short):
        for there in range(max(place - reach, 0), min(place + reach + 1, len(long))):
            if not taken[there] and long[there] == letter:
                taken[there] = True
                matched.append(letter)
                break
    if not matched:
        return 0.0
    facing = [letter for letter, used in zip(long, taken, strict=True) if used]
    swapped = sum(a != b for a, b in zip(matched, facing, strict=True)) / 2
    count = len(matched)
    jaro = (count / len(short) + count / len(long) + (count - swapped) / count) / 3
    prefix = 0
    while prefix < min(_LONGEST_PREFIX, len(short)) and short[prefix] == long[prefix]:
        prefix += 1
    return jaro + prefix * _PREFIX_WEIGHT * (1 - jaro)
