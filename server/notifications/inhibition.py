"""Inhibition: a firing alert mutes the alerts that it causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from novaql.fast_dataclass import dataclass
from novaql.server.alert_model.matcher_text import all_match
from novaql.tsdb import Matcher

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """A rule by which firing alerts mute others.

    An alert that `sources` match mutes one that `targets` match if both have the same values in the
    labels `equal`. A missing label counts as the empty text. As in Alertmanager, alerts that match
    both do not mute each other, nor themselves.
    """

    sources: tuple[Matcher, ...]
    targets: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sources:
    """The firing sources of a rule, by their labels `equal`.

    every  all of them;  only  those that are no targets of the rule
    """

    every: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    only: dict[tuple[str, ...], list[str]] = field(default_factory=dict)


class Inhibitor:
    """The rules, applied to the alerts that fire at one moment.

    It indexes the sources of each rule by their labels `equal` once. The look-up for an alert then
    does not scan the others.
    """

    def __init__(self, rules: Iterable[InhibitRule], firing: Mapping[str, Labels]) -> None:
        """firing: label sets by alert id."""
        self._rules: list[tuple[InhibitRule, _Sources]] = []
        for rule in rules:
            sources = _Sources()
            for alert, labels in firing.items():
                if not all_match(rule.sources, labels):
                    continue
                sources.every.setdefault(_key(rule, labels), []).append(alert)
                if not all_match(rule.targets, labels):
                    sources.only.setdefault(_key(rule, labels), []).append(alert)
            self._rules.append((rule, sources))

    def inhibiting(self, labels: Labels) -> tuple[str, ...]:
        """Sorted ids of the alerts that inhibit an alert with these labels."""
        found: set[str] = set()
        for rule, sources in self._rules:
            if all_match(rule.targets, labels):
                is_source = all_match(rule.sources, labels)
                index = sources.only if is_source else sources.every
                found.update(index.get(_key(rule, labels), ()))
        return tuple(sorted(found))


def _key(rule: InhibitRule, labels: Labels) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in rule.equal)
