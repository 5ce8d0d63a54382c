"""Fuzzy search: the score of a text for a search term, from 0 to 1; None: no match.

The scores equal those of Prometheus's search API, so that clients show the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Scorer = Callable[[str], float | None]

ALGORITHMS = ("subsequence", "jarowinkler")
_PREFIX_WEIGHT = 0.1
_LONGEST_PREFIX = 4
MOST_TERMS, LONGEST_TERM = 20, 200
LONGEST_TEXT = 1_000
"""Longer texts are compared by their beginnings: the time for a score grows with the product of the
lengths."""


def scorer(
    terms: Sequence[str], *, algorithm: str, threshold: float, case_sensitive: bool
) -> Scorer:
    """A function that returns the highest score of a text for the terms; without terms, 1.

    threshold  lowest score of a fuzzy match, from 0 to 1
    """
    of_term = _subsequence if algorithm == "subsequence" else _substring_or_jaro_winkler
    scorers = [of_term(t if case_sensitive else t.lower(), threshold) for t in terms]

    def score(text: str) -> float | None:
        if not scorers:
            return 1.0
        beginning = text[:LONGEST_TEXT]
        compared = beginning if case_sensitive else beginning.lower()
        found = [points for one in scorers if (points := one(compared)) is not None]
        return max(found, default=None)

    return score


def _subsequence(term: str, threshold: float) -> Scorer:
    def score(text: str) -> float | None:
        if text.startswith(term):
            return 1.0
        if not _has_in_order(term, text):  # a fast check that rejects most texts
            return None
        points = subsequence_score(term, text)
        return points if points > 0 and points >= threshold else None

    return score


def _has_in_order(term: str, text: str) -> bool:
    """Return whether the text has the letters of the term in order, with others between them."""
    at = 0
    for letter in term:
        at = text.find(letter, at) + 1
        if not at:
            return False
    return True


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
    """The highest score over all positions of the text at which the match can begin.

    Runs of the term in the text add to the score, gaps subtract from it:
    (Σ run² - Σ gap / len(text) - tail / (2 len(text))) / len(term)². The score is 0 if the text
    does not contain the letters of the term in order.
    """
    best = -1.0
    start = text.find(term[0])
    while start >= 0:
        points = _points_from(term, text, start)
        if points is None:  # later positions cannot match either
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
    """Jaro-Winkler similarity of two texts, from 0 to 1 for equal texts. Transposed letters reduce
    it, a common prefix increases it."""
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
