"""Inhibition: while one alert fires, others that follow from it need not be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from novaql.tsdb.matchers import Matcher

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """An alert that `targets` match is not told while a firing one that `sources` match has the
    same values in the labels `equal`. A missing label is the empty text."""

    sources: tuple[Matcher, ...]
    targets: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


class Inhibitor:
    """The rules over the alerts that fire at one moment.

    What the sources have in the labels `equal` is collected once for each rule, so that asking for
    one alert does not look at all the others.
    """

    def __init__(self, rules: Iterable[InhibitRule], firing: Mapping[str, Labels]) -> None:
        """firing: label sets by alert id."""
        self._rules: list[tuple[InhibitRule, dict[tuple[str, ...], list[str]]]] = []
        for rule in rules:
            sources: dict[tuple[str, ...], list[str]] = {}
            for alert, labels in firing.items():
                # What is a target as well cannot inhibit: two such would mute each other.
                if _match(rule.sources, labels) and not _match(rule.targets, labels):
                    sources.setdefault(_key(rule, labels), []).append(alert)
            self._rules.append((rule, sources))

    def inhibiting(self, labels: Labels) -> tuple[str, ...]:
        """Ids of the alerts because of which this one is not told, sorted."""
        found: set[str] = set()
        for rule, sources in self._rules:
            if _match(rule.targets, labels):
                found.update(sources.get(_key(rule, labels), ()))
        return tuple(sorted(found))


def _match(matchers: tuple[Matcher, ...], labels: Labels) -> bool:
    return all(m.matches(labels.get(m.name, "")) for m in matchers)


def _key(rule: InhibitRule, labels: Labels) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in rule.equal)
