"""Rules as rows and rules as the library evaluates them; what a rule must keep to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from novaql.language import ValueType, parse, type_of
from novaql.rules.model import AlertingRule, Group, RecordingRule, Rule
from novaql.rules.names import Names
from novaql.rules.templates import TemplateProblem, parse_alert_template
from novaql.server.alert_model.tables import AlertRule, RuleGroup
from novaql.server.errors import Detail, Impossible, InvalidRequest, invalid

RESERVED = ("__name__", "alertname", "alertstate")
SEVERITY, SERVICE = "severity", "service"


def library_rule(row: AlertRule) -> Rule:
    """A row as the library's rule."""
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
    """A group and its rules, in their order, as the library's.

    most  alerts or series of a rule, if the group does not say less; 0: no limit
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
    """The labels that the rule sets: its own, and `severity` and `service` where it has them."""
    named = {SEVERITY: row.severity, SERVICE: row.service}
    return {**{name: text for name, text in named.items() if text}, **row.labels}


def check_expression(expr: str) -> None:
    """Raises `QueryError` with the place, or `Impossible` for what gives no instant vector."""
    kind = type_of(parse(expr))
    if kind is not ValueType.VECTOR:
        raise Impossible(
            f"the expression of a rule gives an instant vector, this one is a {kind.value}",
            code="not_a_vector",
        )


def check_labels(labels: Mapping[str, str], pointer: str = "/labels") -> None:
    """Raises `InvalidRequest` for names that no label of a rule may have."""
    for name in labels:
        if name in RESERVED or name.startswith("__"):
            raise invalid(f"{pointer}/{name}", f"{name} is a label that rules do not set")
        if not Names.UTF8.rule_label(name):
            raise invalid(f"{pointer}/{name}", "that is no name of a label")


def check_templates(texts: Mapping[str, str], pointer: str) -> None:
    """Raises `InvalidRequest` for a label or annotation whose template does not parse."""
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
    """Raises `InvalidRequest` for what cannot be the value of `alertname`, or a metric's name."""
    if any(ord(c) < 32 or ord(c) == 127 for c in name) or name != name.strip():
        raise invalid("/name", "a name has no control characters, and no blanks around it")
    if recording and (not Names.LEGACY.metric(name)):
        raise invalid("/name", f"{name!r} is no name of a metric")
