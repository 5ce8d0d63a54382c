"""Rules and active alerts in the format of the Prometheus API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.language import format_expr, parse
from novaql.server.alert_model.tables import Alert, AlertRule
from novaql.server.alert_rules.alert_store import LIVE
from novaql.server.alert_rules.lookup import rules_by_group
from novaql.server.alert_rules.model import labels_of_rule
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.clock import rfc3339
from novaql.server.db.unit import Unit

_NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class RuleReport:
    """A rule in the format of Prometheus, and the labels that selectors match."""

    name: str
    alerting: bool
    labels: dict[str, str]
    shown: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GroupReport:
    """A group with its rules."""

    file: str
    name: str
    shown: dict[str, Any]
    rules: list[RuleReport] = field(default_factory=list)


def group_reports(unit: Unit) -> list[GroupReport]:
    """All groups of the tenant, by file and name."""
    alerts: dict[str, list[Alert]] = {}
    for alert in _live(unit):
        alerts.setdefault(alert.rule_id, []).append(alert)
    rules = rules_by_group(unit)
    statement = select(RuleGroup).order_by(RuleGroup.file, RuleGroup.name)
    found = []
    for group in unit.session.execute(statement).scalars():
        report = GroupReport(group.file, group.name, _group(group))
        for rule in rules.get(group.id, ()):
            report.rules.append(_rule(rule, group, alerts.get(rule.id, [])))
        found.append(report)
    return found


def active_alerts(unit: Unit) -> list[dict[str, Any]]:
    """Pending and firing alerts."""
    return [_alert(alert) for alert in _live(unit)]


def _live(unit: Unit) -> Iterable[Alert]:
    statement = select(Alert).where(Alert.state.in_(LIVE)).order_by(Alert.started_at, Alert.id)
    return unit.session.execute(statement).scalars().all()


def _group(group: RuleGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "file": group.file,
        "rules": [],
        "interval": _seconds(group.interval_ms),
        "limit": group.limit,
        "evaluationTime": group.evaluation_s,
        "lastEvaluation": _time(group.evaluated_at),
    }


def _rule(rule: AlertRule, group: RuleGroup, alerts: list[Alert]) -> RuleReport:
    labels = {**group.labels, **labels_of_rule(rule)}
    alerting = rule.type == "alerting"
    shown: dict[str, Any] = {}
    if alerting:
        states = {alert.state for alert in alerts}
        shown["state"] = next((s for s in ("firing", "pending") if s in states), "inactive")
    shown |= {"name": rule.name, "query": format_expr(parse(rule.expr))}
    if alerting:
        shown |= {
            "duration": _seconds(rule.for_ms),
            "keepFiringFor": _seconds(rule.keep_firing_for_ms),
            "labels": labels,
            "annotations": rule.annotations,
            "alerts": [_alert(alert) for alert in alerts],
        }
    elif labels:
        shown["labels"] = labels
    shown["health"] = rule.health
    if rule.last_error:
        shown["lastError"] = rule.last_error
    shown |= {
        "evaluationTime": rule.evaluation_s,
        "lastEvaluation": _time(rule.evaluated_at),
        "type": "alerting" if alerting else "recording",
    }
    return RuleReport(rule.name, alerting, labels, shown)


def _alert(alert: Alert) -> dict[str, Any]:
    shown = {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "state": alert.state,
        "activeAt": _time(alert.started_at),
    }
    if alert.recovering_since is not None:
        shown["keepFiringSince"] = _time(alert.recovering_since)
    return {**shown, "value": go_exponent(alert.value)}


def go_exponent(text: str) -> str:
    """Format a float as Go's shortest `e` format does: `1e+00`, `2.5e-03`."""
    try:
        number = float(text)
    except ValueError:
        return text
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "+Inf" if number > 0 else "-Inf"
    for precision in range(17):
        if float(text := f"{number:.{precision}e}") == number:
            break
    return text


def _seconds(ms: int) -> float:
    """Seconds as Go formats them: whole numbers have no decimal point."""
    return ms // 1000 if ms % 1000 == 0 else ms / 1000


def _time(at: datetime | None) -> str:
    """A time as Go formats it: without trailing zeros in the fraction."""
    if at is None:
        return _NEVER
    text = rfc3339(at).removesuffix("Z")
    return (text.rstrip("0") if "." in text else text) + "Z"
