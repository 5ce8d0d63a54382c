"""Rule files of Prometheus: import as groups, export as YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

import yaml
from sqlalchemy import select
from starlette.requests import Request

from novaql.fast_dataclass import dataclass
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
from novaql.server.alert_rules.lookup import rules_by_group
from novaql.server.alert_rules.model import SERVICE, SEVERITY, labels_of_rule
from novaql.server.alert_rules.schema import ImportedRulesOut, ImportRules
from novaql.server.alert_rules.service import (
    GROUPS_OF_USERS,
    NOT_OF_OBJECTIVES,
    default_interval_ms,
    drop,
    drop_groups,
    new_group,
    new_rule,
    schedule_deletion,
)
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.db.tenant_limits import check_limit, limit_reached
from novaql.server.db.unit import Unit
from novaql.server.errors import Detail, Impossible, invalid, not_found
from novaql.server.http.preparing import Preparation, checked

OWN = ("api/", "slo/", "synthetic/")
_Key = tuple[str, str, tuple[tuple[str, str], ...], int]


async def checked_groups(request: Request, body: ImportRules) -> tuple[Group, ...]:
    """Parse the groups of a file. Raises `Impossible` with all of its problems, and `Conflict` if
    it exceeds the limits of the tenant."""
    return await checked(request, body, _groups_of)


def _groups_of(preparation: Preparation) -> tuple[Group, ...]:
    body, settings = preparation.body, preparation.context.settings
    if body.file.startswith(OWN):
        raise invalid(
            "/file", "names that begin with api/, slo/ or synthetic/ are the server's own"
        )
    try:
        groups = read_rules(body.document, body.file, checkpoint=preparation.checkpoint).groups
    except FileProblems as found:
        details = [
            Detail("/document", f"line {p.place.line}, column {p.place.column}: {p.message}")
            for p in found.problems
        ]
        message = f"{body.file}: {details[0].message}"
        raise Impossible(message, code="invalid_rule_file", details=details) from None
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
        GROUPS_OF_USERS,
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
        f"{one.name} {dict(one.labels)} is defined more than once"
        for one in duplicate_rules(groups)
    ]
    out = ImportedRulesOut(
        file=body.file, groups=[group.name for group in groups], warnings=again, **done
    )
    unit.audit(
        "alert_rule.import", ("alert_rule_file", body.file), after=out.model_dump(mode="json")
    )
    return out


def replace_file(
    unit: Unit, file: str, groups: Sequence[Group], *, default_ms: int, managed: str
) -> dict[str, Any]:
    """Replace the groups of a file. Returns the created, updated and deleted rules.

    A rule with the same group, type, name and labels is the same rule and retains its alerts.
    """
    of_file = select(RuleGroup.id).where(RuleGroup.file == file)
    unit.lock_jobs(EVALUATE, unit.session.execute(of_file).scalars())
    statement = select(RuleGroup).where(RuleGroup.file == file).with_for_update()
    rows = {row.name: row for row in unit.session.execute(statement).scalars()}
    rules = rules_by_group(unit, AlertRule.group_id.in_(of_file))
    pairs, times = _replace_groups(unit, file, groups, rows, default_ms=default_ms)
    found = _Replaced()
    for group, row in pairs:
        _replace_rules(unit, group, row, rules.pop(row.id, ()), found, managed=managed)
    for name, row in rows.items():
        found.delete(name, rules.get(row.id, ()))
    gone = [row.id for row in rows.values()]
    unit.enqueue_all(EVALUATE, times)
    if pairs:
        schedule_deletion(unit)
    unit.session.flush()
    if found.deleted:
        drop(unit, found.deleted, note=f"{file} has the rule no more")
    drop_groups(unit, gone)  # those without rules, too
    return {
        "created": found.created,
        "updated": found.updated,
        "unchanged": found.unchanged,
        "deleted": found.deleted_names,
    }


@dataclass(slots=True)
class _Replaced:
    """The results for the rules of a file; their names are GROUP/RULE."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: int = 0
    deleted: list[AlertRule] = field(default_factory=list)
    deleted_names: list[str] = field(default_factory=list)

    def delete(self, group: str, rules: Iterable[AlertRule]) -> None:
        for rule in rules:
            self.deleted.append(rule)
            self.deleted_names.append(f"{group}/{rule.name}")


def _replace_groups(
    unit: Unit,
    file: str,
    groups: Sequence[Group],
    rows: dict[str, RuleGroup],
    *,
    default_ms: int,
) -> tuple[list[tuple[Group, RuleGroup]], dict[str, datetime]]:
    """Update or add the row of each group, and leave in `rows` those of other groups.

    Returns the groups with their rows, and the time of the next evaluation by id of the row.
    """
    pairs: list[tuple[Group, RuleGroup]] = []
    times: dict[str, datetime] = {}
    for number, group in enumerate(groups):
        row = rows.pop(group.name, None)
        interval = group.interval_ms or default_ms
        if row is None:
            # Spread the first evaluations of a file's groups over the interval.
            turn = min(number * interval // max(len(groups), 1), 5_000)
            row = new_group(unit, file=file, name=group.name, interval_ms=interval, later_ms=turn)
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
    return pairs, times


def _replace_rules(
    unit: Unit,
    group: Group,
    row: RuleGroup,
    before: Sequence[AlertRule],
    found: _Replaced,
    *,
    managed: str,
) -> None:
    """Update, add and note for deletion the rules of a group."""
    left = _by_key(before)
    for position, (key, rule) in enumerate(_by_key(group.rules).items()):
        name = f"{group.name}/{rule.name}"
        old, fields = left.pop(key, None), _fields(rule)
        if old is None:
            new_rule(unit, row, position=position, managed=managed, **fields)
            found.created.append(name)
            continue
        old.position = position
        if all(getattr(old, column) == value for column, value in fields.items()):
            found.unchanged += 1
            continue
        for column, value in fields.items():
            setattr(old, column, value)
        unit.touch(old)
        found.updated.append(name)
    found.delete(group.name, left.values())


def export_yaml(unit: Unit, file: str | None) -> str:
    """Export rules as YAML. Raises the 404 `alert_rule_file_not_found`."""
    statement = select(RuleGroup).order_by(RuleGroup.file, RuleGroup.created_at, RuleGroup.id)
    if file is not None:
        statement = statement.where(RuleGroup.file == file)
    groups = unit.session.execute(statement).scalars().all()
    if file is not None and not groups:
        raise not_found("alert_rule_file", file, unit.tenant_name)
    rules = rules_by_group(unit, AlertRule.group_id.in_(statement.with_only_columns(RuleGroup.id)))
    names: Counter[str] = Counter()
    written = []
    for group in groups:
        names[group.name] += 1
        repeated = f" ({names[group.name]})" if names[group.name] > 1 else ""
        written.append(_group(group, group.name + repeated, rules.get(group.id, ())))
    text: str = yaml.safe_dump({"groups": written}, sort_keys=False, allow_unicode=True)
    return text


def _group(group: RuleGroup, name: str, rules: Iterable[AlertRule]) -> dict[str, Any]:
    offset = group.query_offset_ms
    optional = {
        "query_offset": None if offset is None else format_duration(offset),
        "limit": group.limit,
        "labels": dict(group.labels),
    }
    return {
        "name": name,
        "interval": format_duration(group.interval_ms),
        **{key: value for key, value in optional.items() if value},
        "rules": [_rule(rule) for rule in rules],
    }


def _rule(rule: AlertRule) -> dict[str, Any]:
    fields = {
        "record" if rule.type == "recording" else "alert": rule.name,
        "expr": rule.expr,
        "for": rule.for_ms and format_duration(rule.for_ms),
        "keep_firing_for": rule.keep_firing_for_ms and format_duration(rule.keep_firing_for_ms),
        "labels": labels_of_rule(rule),
        "annotations": dict(rule.annotations),
    }
    return {key: value for key, value in fields.items() if value}


def _fields(rule: Rule) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "type": _type(rule),
        "name": rule.name,
        "expr": rule.expr,
        "labels": dict(rule.labels),
        "annotations": {},
    }
    if isinstance(rule, AlertingRule):
        fields |= {
            "for_ms": rule.for_ms,
            "keep_firing_for_ms": rule.keep_firing_for_ms,
            "annotations": dict(rule.annotations),
            # For filters and for display. A template has only a value for each alert.
            "severity": _plain(rule.labels.get(SEVERITY)),
            "service": _plain(rule.labels.get(SERVICE)),
        }
    return fields


def _plain(text: str | None) -> str | None:
    return None if text is None or "{{" in text else text[:200]


def _by_key(rules: Iterable[Any]) -> dict[_Key, Any]:
    """Rules or rows by type, name and labels, and by their number among those that are alike."""
    seen: Counter[tuple[str, str, tuple[tuple[str, str], ...]]] = Counter()
    found = {}
    for rule in rules:
        kind = rule.type if isinstance(rule, AlertRule) else _type(rule)
        key = (kind, rule.name, tuple(sorted(rule.labels.items())))
        found[(*key, seen[key])] = rule
        seen[key] += 1
    return found


def _type(rule: Rule) -> str:
    return "alerting" if isinstance(rule, AlertingRule) else "recording"
