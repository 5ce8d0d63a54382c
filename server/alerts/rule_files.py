"""Rule files of Prometheus: taken in as groups, given out as YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import yaml
from sqlalchemy import select

from novaql.rules.duplicates import duplicate_rules
from novaql.rules.durations import format_duration
from novaql.rules.model import AlertingRule, Group, Rule
from novaql.rules.problems import FileProblems
from novaql.rules.reading import read_rules
from server.alerts.jobs import EVALUATE
from server.alerts.rule_model import SERVICE, SEVERITY, labels_of_rule
from server.alerts.rule_schema import ImportedOut, ImportRules
from server.alerts.rules_service import (
    default_interval_ms,
    drop,
    new_group,
    new_rule,
)
from server.alerts.tables import AlertRule, RuleGroup
from server.platform.calls import Call
from server.platform.errors import Detail, Impossible, invalid, not_found
from server.platform.unit import Unit

OWN = ("api/", "slo/")
_Key = tuple[str, str, tuple[tuple[str, str], ...], int]


def take_in(call: Call, body: ImportRules) -> ImportedOut:
    """Replace the rules of a file. Raises `Impossible` with everything that is wrong with it."""
    if body.file.startswith(OWN):
        raise invalid("/file", "names that begin with api/ or slo/ are the server's own")
    groups = read(body.document, body.file)
    done = replace(call, body.file, groups, default_ms=default_interval_ms(call), managed="file")
    again = [
        f"{one.name} {dict(one.labels)} stands more than once" for one in duplicate_rules(groups)
    ]
    out = ImportedOut(
        file=body.file, groups=[group.name for group in groups], warnings=again, **done
    )
    call.audit(
        "alert_rule.import", ("alert_rule_file", body.file), after=out.model_dump(mode="json")
    )
    return out


def read(document: str, file: str) -> tuple[Group, ...]:
    """The groups of a document. Raises `Impossible`, a detail for each problem."""
    try:
        return read_rules(document, file).groups
    except FileProblems as found:
        details = [
            Detail("/document", f"line {p.place.line}, column {p.place.column}: {p.message}")
            for p in found.problems
        ]
        raise Impossible(
            f"{file}: {details[0].message}", code="invalid_rule_file", details=details
        ) from None


def replace(
    unit: Unit, file: str, groups: Sequence[Group], *, default_ms: int, managed: str
) -> dict[str, Any]:
    """Make the groups of a file what they are now; what was created, updated, deleted.

    A rule that keeps its group, type, name and labels is the same rule, and keeps its alerts.
    """
    rows = unit.session.execute(
        select(RuleGroup).where(RuleGroup.file == file).with_for_update()
    ).scalars()
    known = {row.name: row for row in rows}
    made: list[str] = []
    changed: list[str] = []
    unchanged, gone = 0, []
    for number, group in enumerate(groups):
        row = known.pop(group.name, None)
        interval = group.interval_ms or default_ms
        if row is None:
            # Groups of a file take turns, so that they do not all run at one moment.
            turn = number * interval // max(len(groups), 1)
            row = new_group(
                unit,
                file=file,
                name=group.name,
                interval_ms=interval,
                query_offset_ms=group.query_offset_ms,
                limit=group.limit,
                labels=dict(group.labels),
                later_ms=min(turn, 5_000),
            )
        else:
            if row.interval_ms != interval:
                row.interval_ms, row.anchor = interval, unit.now()
            row.query_offset_ms, row.limit = group.query_offset_ms, group.limit
            row.labels = dict(group.labels)
            unit.touch(row)
            unit.enqueue(EVALUATE, key=row.id)
        there = dict(zip(_keys_of_rows(_rules(unit, row)), _rules(unit, row), strict=True))
        for position, (key, rule) in enumerate(zip(_keys(group.rules), group.rules, strict=True)):
            name = f"{group.name}/{rule.name}"
            old = there.pop(key, None)
            fields = _fields(rule)
            if old is None:
                new_rule(unit, row, position=position, managed=managed, **fields)
                made.append(name)
                continue
            before = {field: getattr(old, field) for field in fields}
            old.position = position
            if before == fields:
                unchanged += 1
                continue
            for field, value in fields.items():
                setattr(old, field, value)
            unit.touch(old)
            changed.append(name)
        gone += [(f"{group.name}/{rule.name}", rule) for rule in there.values()]
    for row in known.values():
        gone += [(f"{row.name}/{rule.name}", rule) for rule in _rules(unit, row)]
    unit.session.flush()
    if gone:
        drop(unit, [rule for _, rule in gone], note=f"{file} has the rule no more")
    return {
        "created": made,
        "updated": changed,
        "unchanged": unchanged,
        "deleted": [name for name, _ in gone],
    }


def give_out(call: Call, file: str | None) -> str:
    """Rules as YAML. Raises the 404 `alert_rule_file_not_found`."""
    statement = select(RuleGroup).order_by(RuleGroup.file, RuleGroup.created_at, RuleGroup.id)
    if file is not None:
        statement = statement.where(RuleGroup.file == file)
    groups = call.session.execute(statement).scalars().all()
    if file is not None and not groups:
        raise not_found("alert_rule_file", file, call.tenant_name)
    names: Counter[str] = Counter()
    written = []
    for group in groups:
        names[group.name] += 1
        repeated = f" ({names[group.name]})" if names[group.name] > 1 else ""
        written.append(_group(group, group.name + repeated, _rules(call, group)))
    text: str = yaml.safe_dump({"groups": written}, sort_keys=False, allow_unicode=True)
    return text


def _group(group: RuleGroup, name: str, rules: Iterable[AlertRule]) -> dict[str, Any]:
    out: dict[str, Any] = {"name": name, "interval": format_duration(group.interval_ms)}
    if group.query_offset_ms is not None:
        out["query_offset"] = format_duration(group.query_offset_ms)
    if group.limit:
        out["limit"] = group.limit
    if group.labels:
        out["labels"] = dict(group.labels)
    out["rules"] = [_rule(rule) for rule in rules]
    return out


def _rule(rule: AlertRule) -> dict[str, Any]:
    kind = "record" if rule.type == "recording" else "alert"
    out: dict[str, Any] = {kind: rule.name, "expr": rule.expr}
    if rule.for_ms:
        out["for"] = format_duration(rule.for_ms)
    if rule.keep_firing_for_ms:
        out["keep_firing_for"] = format_duration(rule.keep_firing_for_ms)
    if labels := labels_of_rule(rule):
        out["labels"] = labels
    if rule.annotations:
        out["annotations"] = dict(rule.annotations)
    return out


def _fields(rule: Rule) -> dict[str, Any]:
    if not isinstance(rule, AlertingRule):
        return {
            "type": "recording",
            "name": rule.name,
            "expr": rule.expr,
            "labels": dict(rule.labels),
            "annotations": {},
        }
    return {
        "type": "alerting",
        "name": rule.name,
        "expr": rule.expr,
        "for_ms": rule.for_ms,
        "keep_firing_for_ms": rule.keep_firing_for_ms,
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
        # Shown and filtered by; as templates they are known only of each alert.
        "severity": _plain(rule.labels.get(SEVERITY)),
        "service": _plain(rule.labels.get(SERVICE)),
    }


def _plain(text: str | None) -> str | None:
    return None if text is None or "{{" in text else text[:200]


def _keys(rules: Sequence[Rule]) -> list[_Key]:
    return _counted(
        ("alerting" if isinstance(rule, AlertingRule) else "recording", rule.name, rule.labels)
        for rule in rules
    )


def _keys_of_rows(rows: Sequence[AlertRule]) -> list[_Key]:
    return _counted((row.type, row.name, row.labels) for row in rows)


def _counted(found: Iterable[tuple[str, str, Any]]) -> list[_Key]:
    seen: Counter[tuple[str, str, tuple[tuple[str, str], ...]]] = Counter()
    keys = []
    for kind, name, labels in found:
        key = (kind, name, tuple(sorted(labels.items())))
        keys.append((*key, seen[key]))
        seen[key] += 1
    return keys


def _rules(unit: Unit, group: RuleGroup) -> Sequence[AlertRule]:
    statement = select(AlertRule).where(AlertRule.group_id == group.id).order_by(AlertRule.position)
    return unit.session.execute(statement).scalars().all()
