"""Rules as rows and as the library's rules, and the checks of their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from novaql.language import ValueType, parse_core, type_of
from novaql.rules import AlertingRule, Group, Names, RecordingRule, Rule
from novaql.rules.templates import TemplateProblem, parse_alert_template
from novaql.server.alert_model.tables import AlertRule
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.errors import Detail, InvalidRequest, impossible, invalid, query_at

RESERVED = ("__name__", "alertname", "alertstate")
SEVERITY, SERVICE = "severity", "service"


def library_rule(row: AlertRule) -> Rule:
    """The library's rule of a row."""
    if row.type == "recording":
        return RecordingRule(row.name, row.expr, labels_of_rule(row))
    return AlertingRule(
        row.name,
        row.expr,
        row.for_ms,
        row.keep_firing_for_ms,
        labels_of_rule(row),
        dict(row.annotations),
    )


def library_group(group: RuleGroup, rules: Sequence[AlertRule], most: int = 0) -> Group:
    """The library's group of a row and its rules.

    most  limit of alerts or series of a rule, unless the group has a lower one; 0 means no limit
    """
    limits = [limit for limit in (group.limit, most) if limit]
    return Group(
        name=group.name,
        rules=tuple(map(library_rule, rules)),
        interval_ms=group.interval_ms,
        query_offset_ms=group.query_offset_ms,
        limit=min(limits, default=0),
        labels=dict(group.labels),
    )


def labels_of_rule(row: AlertRule) -> dict[str, str]:
    """The labels that a rule sets, including `severity` and `service`."""
    named = {SEVERITY: row.severity, SERVICE: row.service}
    return {**{name: text for name, text in named.items() if text}, **row.labels}


def check_expression(expr: str) -> None:
    """Raise `Impossible`: with a position if it does not parse, or if it is no instant vector."""
    with query_at("/expr"):
        kind = type_of(parse_core(expr))
    if kind is not ValueType.VECTOR:
        message = f"the expression of a rule must return an instant vector, not a {kind.value}"
        raise impossible("/expr", message, "not_a_vector")


def check_labels(labels: Mapping[str, str], pointer: str = "/labels") -> None:
    """Raise `InvalidRequest` for invalid and reserved label names."""
    for name in labels:
        if name in RESERVED or name.startswith("__"):
            raise invalid(f"{pointer}/{name}", f"{name} is a label that rules do not set")
        if not Names.UTF8.rule_label(name):
            raise invalid(f"{pointer}/{name}", "that is no name of a label")


def check_templates(texts: Mapping[str, str], pointer: str) -> None:
    """Raise `InvalidRequest` for templates that do not parse."""
    problems = []
    for name, text in texts.items():
        try:
            parse_alert_template(text)
        except TemplateProblem as problem:
            problems.append(Detail(f"{pointer}/{name}", problem.reason))
    if problems:
        first = problems[0]
        raise InvalidRequest(f"{first.pointer}: {first.message}", details=problems)


def check_name(name: str, *, recording: bool) -> None:
    """Raise `InvalidRequest` for an invalid `alertname`, or an invalid metric name."""
    if any(ord(c) < 32 or ord(c) == 127 for c in name) or name != name.strip():
        raise invalid("/name", "a name has no control characters, and no blanks around it")
    if recording and (not Names.LEGACY.metric(name)):
        raise invalid("/name", f"{name!r} is no name of a metric")
