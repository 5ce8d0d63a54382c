"""Rule files: groups of recording and alerting rules, as written, with the place of each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from novaql.fast_dataclass import dataclass
from novaql.rules.problems import Place


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """Writes the result of `expr` as series with the name `name`; `labels` are set on each of
    them."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)
    place: Place = field(default=Place(1, 1), compare=False)


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """An alert for each element of the result of `expr`.

    for_ms              how long an element must be present before its alert fires
    keep_firing_for_ms  how long an alert continues to fire after its element has disappeared
    labels              templates; their results are set on the alert and take part in its identity
    annotations         templates; their results are shown with the alert
    """

    name: str
    expr: str
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    place: Place = field(default=Place(1, 1), compare=False)


Rule = RecordingRule | AlertingRule
"""A rule of either kind."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other, at the same time.

    interval_ms      None: the global evaluation interval
    query_offset_ms  how far before the evaluation time expressions look; None: the global one
    limit            most series of a recording rule, most alerts of an alerting one; 0: no limit
    labels           set on what every rule of the group writes, unless the rule has the label
    """

    name: str
    rules: tuple[Rule, ...]
    interval_ms: int | None = None
    query_offset_ms: int | None = None
    limit: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    place: Place = field(default=Place(1, 1), compare=False)

    def labels_of(self, rule: Rule) -> dict[str, str]:
        """Labels of the rule, with those labels of the group that the rule does not set."""
        return {**self.labels, **rule.labels}


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The groups of one file, in its order."""

    file: str
    groups: tuple[Group, ...]

    @property
    def rules(self) -> int:
        return sum(len(group.rules) for group in self.groups)
