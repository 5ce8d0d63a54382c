"""Rule files of Prometheus: import as groups, export as YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import yaml
from sqlalchemy import select
from starlette.requests import Request

from novaql.rules import (
    AlertingRule,
    FileProblems,
    Group,
    Rule,
    duplicate_rules,
    format_duration,
    read_rules,
)
from novaql.server.alert_model.tables import AlertRule
from novaql.server.alert_rules.checks import check_interval_ms
from novaql.server.alert_rules.jobs import EVALUATE
from novaql.server.alert_rules.model import SERVICE, SEVERITY, labels_of_rule
from novaql.server.alert_rules.schema import ImportedRulesOut, ImportRules
from novaql.server.alert_rules.service import (
    NOT_OF_OBJECTIVES,
    default_interval_ms,
    drop,
    group_row,
    new_rule,
    schedule_deletion,
)
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.db.tenant_limits import check_limit, limit_reached
from novaql.server.db.unit import Unit
from novaql.server.errors import Detail, Impossible, invalid, not_found
from novaql.server.http.checks import checked
from novaql.server.http.preparing import Preparation

OWN = ("api/", "slo/")
_Key = tuple[str, str, tuple[tuple[str, str], ...], int]


async def checked_groups(request: Request, body: ImportRules) -> tuple[Group, ...]:
    """Parse the groups of a file. Raises `Impossible` with all of its problems, and `Conflict` if
    it exceeds the limits of the tenant."""
    return await checked(request, body, _groups_of)


def _groups_of(preparation: Preparation) -> tuple[Group, ...]:
    body, settings = preparation.body, preparation.context.settings
    if body.file.startswith(OWN):
        raise invalid("/file", "names that begin with api/ or slo/ are the server's own")
    groups = parse_groups(body.document, body.file, preparation.checkpoint)
    most = settings.max_rule_groups
    if 0 < most < len(groups):
        what = f"the file has {len(groups)} rule groups, the tenant may have {most}"
        raise limit_reached("max_rule_groups", what, most, "/document")
    for group in groups:
        if group.interval_ms:
            check_interval_ms(group.interval_ms, settings, f"group {group.name!r}", "/document")
    return groups


def import_file(unit: Unit, body: ImportRules, groups: Sequence[Group]) -> ImportedRulesOut:
    """Replace the rules of a file with parsed ones."""
    others = RuleGroup.file != body.file
    check_limit(
        unit,
        "max_rule_groups",
        RuleGroup,
        others,
        ~RuleGroup.file.startswith("slo/"),
        adds=len(groups),
    )
    check_limit(
        unit,
        "max_rules",
        AlertRule,
        NOT_OF_OBJECTIVES,
        AlertRule.group_id.in_(select(RuleGroup.id).where(others)),
        adds=sum(len(group.rules) for group in groups),
    )
    done = replace_file(
        unit, body.file, groups, default_ms=default_interval_ms(unit), managed="file"
    )
    again = [
        f"{one.name} {dict(one.labels)} stands more than once" for one in duplicate_rules(groups)
    ]
    out = ImportedRulesOut(
        file=body.file, groups=[group.name for group in groups], warnings=again, **done
    )
    unit.audit(
        "alert_rule.import", ("alert_rule_file", body.file), after=out.model_dump(mode="json")
    )
    return out


def parse_groups(
    document: str, file: str, checkpoint: Callable[[], None] = lambda: None
) -> tuple[Group, ...]:
    """Parse the groups of a document. Raises `Impossible` with a detail for each problem."""
    try:
        return read_rules(document, file, checkpoint=checkpoint).groups
    except FileProblems as found:
        details = [
            Detail("/document", f"line {p.place.line}, column {p.place.column}: {p.message}")
            for p in found.problems
        ]
        raise Impossible(
            f"{file}: {details[0].message}", code="invalid_rule_file", details=details
        ) from None


def replace_file(
    unit: Unit, file: str, groups: Sequence[Group], *, default_ms: int, managed: str
) -> dict[str, Any]:
    """Replace the groups of a file. Returns the created, updated and deleted rules.

    A rule with the same group, type, name and labels is the same rule and retains its alerts.
    """
    rows = unit.session.execute(
        select(RuleGroup).where(RuleGroup.file == file).with_for_update()
    ).scalars()
    known = {row.name: row for row in rows}
    there = _rules_of_file(unit, file)
    pairs: list[tuple[Group, RuleGroup]] = []
    times: dict[str, datetime] = {}
    for number, group in enumerate(groups):
        row = known.pop(group.name, None)
        interval = group.interval_ms or default_ms
        if row is None:
            # Spread the first evaluations of a file's groups over the interval.
            turn = min(number * interval // max(len(groups), 1), 5_000)
            row = group_row(unit, file=file, name=group.name, interval_ms=interval, later_ms=turn)
            times[row.id] = row.anchor
        else:
            if row.interval_ms != interval:
                row.interval_ms, row.anchor = interval, unit.now()
            unit.touch(row)
            times[row.id] = unit.now()
        row.query_offset_ms, row.limit = group.query_offset_ms, group.limit
        row.labels = dict(group.labels)
        pairs.append((group, row))
    unit.session.add_all(row for _, row in pairs)
    unit.session.flush()  # the rules reference these rows
    made: list[str] = []
    changed: list[str] = []
    unchanged, gone = 0, []
    for group, row in pairs:
        olds = there.pop(row.id, [])
        left = dict(zip(_keys_of_rows(olds), olds, strict=True))
        for position, (key, rule) in enumerate(zip(_keys(group.rules), group.rules, strict=True)):
            name = f"{group.name}/{rule.name}"
            old = left.pop(key, None)
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
        gone += [(f"{group.name}/{rule.name}", rule) for rule in left.values()]
    for row in known.values():
        gone += [(f"{row.name}/{rule.name}", rule) for rule in there.get(row.id, ())]
    unit.enqueue_all(EVALUATE, times)
    if pairs:
        schedule_deletion(unit)
    unit.session.flush()
    if gone:
        drop(unit, [rule for _, rule in gone], note=f"{file} has the rule no more")
    return {
        "created": made,
        "updated": changed,
        "unchanged": unchanged,
        "deleted": [name for name, _ in gone],
    }


def export_yaml(unit: Unit, file: str | None) -> str:
    """Export rules as YAML. Raises the 404 `alert_rule_file_not_found`."""
    statement = select(RuleGroup).order_by(RuleGroup.file, RuleGroup.created_at, RuleGroup.id)
    if file is not None:
        statement = statement.where(RuleGroup.file == file)
    groups = unit.session.execute(statement).scalars().all()
    if file is not None and not groups:
        raise not_found("alert_rule_file", file, unit.tenant_name)
    names: Counter[str] = Counter()
    written = []
    for group in groups:
        names[group.name] += 1
        repeated = f" ({names[group.name]})" if names[group.name] > 1 else ""
        written.append(_group(group, group.name + repeated, _rules(unit, group)))
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
        # For filters and for display. A template has no value of the rule, only one for each alert.
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


def _rules_of_file(unit: Unit, file: str) -> dict[str, list[AlertRule]]:
    """The rules of a file by group, in order."""
    groups = select(RuleGroup.id).where(RuleGroup.file == file)
    statement = select(AlertRule).where(AlertRule.group_id.in_(groups))
    found: dict[str, list[AlertRule]] = {}
    for rule in unit.session.execute(statement.order_by(AlertRule.position)).scalars():
        found.setdefault(rule.group_id, []).append(rule)
    return found


def _rules(unit: Unit, group: RuleGroup) -> Sequence[AlertRule]:
    statement = select(AlertRule).where(AlertRule.group_id == group.id).order_by(AlertRule.position)
    return unit.session.execute(statement).scalars().all()
