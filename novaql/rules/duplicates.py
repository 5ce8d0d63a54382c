"""Rules that write the same series: allowed, but nearly always a mistake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from novaql.fast_dataclass import dataclass
from novaql.rules.model import Group


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A name and labels that more than one rule of a file has."""

    name: str
    labels: tuple[tuple[str, str], ...]


def duplicate_rules(groups: Iterable[Group]) -> list[Duplicate]:
    """Each combination of name and labels that occurs more than once, sorted."""
    counts = Counter(
        Duplicate(rule.name, tuple(sorted(rule.labels.items())))
        for group in groups
        for rule in group.rules
    )
    again = [found for found, count in counts.items() if count > 1]
    return sorted(again, key=lambda found: (found.name, found.labels))
