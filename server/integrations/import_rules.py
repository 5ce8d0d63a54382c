"""Import of Prometheus's rules as a rule file of this server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import ValidationError
from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.rules import FileProblems, Group, read_rules
from novaql.server.alert_rules.checks import check_interval_ms
from novaql.server.alert_rules.files import import_file
from novaql.server.alert_rules.schema import ImportRules
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.db.unit import Unit
from novaql.server.errors import invalid
from novaql.server.integrations.import_reports import digest_of, reported


@dataclass(frozen=True, slots=True)
class RuleImport:
    """A rule file.

    groups  as they were parsed;  document: the text of them
    notes   rules that this server cannot evaluate
    """

    file: str
    groups: Sequence[Group]
    document: str
    notes: Sequence[str]

    @property
    def key(self) -> tuple[str, str]:
        return "rule", self.file

    def save(self, unit: Unit, user_id: str, former: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Replace the rules of the file, unless neither they nor the file have changed."""
        digest = digest_of([self.document, list(self.notes)])
        there = select(RuleGroup.id).where(RuleGroup.file == self.file).limit(1)
        is_there = unit.session.execute(there).scalar_one_or_none() is not None
        if former.get("digest") == digest and is_there == bool(self.groups):
            return former
        for group in self.groups:
            if group.interval_ms:
                what = f"group {group.name!r}"
                check_interval_ms(group.interval_ms, unit.settings, what, "/document")
        try:
            body = ImportRules(file=self.file, document=self.document)
        except ValidationError:
            raise invalid("/document", "the rules are too large for one rule file") from None
        import_file(unit, body, self.groups)
        return {
            "file": self.file,
            "groups": len(self.groups),
            "rules": sum(len(group.rules) for group in self.groups),
            "digest": digest,
            **reported(self.notes),
        }


def rule_import(file: str, groups: Sequence[Mapping[str, Any]]) -> RuleImport:
    """Convert the groups of Prometheus's `/api/v1/rules`. A rule that cannot be parsed is left out,
    with a note."""
    written, notes = _written(groups), []
    document = _document(written)
    try:
        return RuleImport(file, read_rules(document, file).groups, document, ())
    except FileProblems:
        pass
    for group in written:
        usable = []
        for rule in group["rules"]:
            try:
                read_rules(_document([{**group, "rules": [rule]}]), file)
            except FileProblems as found:
                name = rule.get("alert") or rule.get("record")
                notes.append(f"{group['name']}/{name}: {found.problems[0].message}")
            else:
                usable.append(rule)
        group["rules"] = usable
    written = [group for group in written if group["rules"]]
    document = _document(written)
    return RuleImport(file, read_rules(document, file).groups, document, notes)


def _document(groups: Sequence[Mapping[str, Any]]) -> str:
    """JSON is YAML, too."""
    return orjson.dumps({"groups": groups}).decode()


def _written(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The groups as a rule file. Several files of Prometheus can have groups of one name."""
    names: Counter[str] = Counter()
    out = []
    for group in groups:
        name = str(group["name"])
        names[name] += 1
        again = f" ({names[name]})" if names[name] > 1 else ""
        fields = {
            "interval": _duration(group.get("interval")),
            "limit": group.get("limit"),
            "rules": [_rule(rule) for rule in group["rules"]],
        }
        out.append({"name": name + again, **{k: v for k, v in fields.items() if v}})
    return [group for group in out if group.get("rules")]


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        "alert" if rule["type"] == "alerting" else "record": rule["name"],
        "expr": rule["query"],
        "for": _duration(rule.get("duration")),
        "keep_firing_for": _duration(rule.get("keepFiringFor")),
        "labels": rule.get("labels"),
        "annotations": rule.get("annotations"),
    }
    return {key: value for key, value in fields.items() if value}


def _duration(seconds: Any) -> str | None:
    return f"{round(float(seconds) * 1000)}ms" if seconds else None
