"""Rule files: YAML → model. All problems are found in one pass, each with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from novaql.errors import QueryError
from novaql.language import parse
from novaql.rules.model import AlertingRule, Group, RecordingRule, Rule, RuleFile
from novaql.rules.names import Names
from novaql.rules.problems import FileProblems, Place, Problem
from novaql.rules.templates import TemplateProblem, parse_alert_template
from novaql.rules.yaml_nodes import Mapping, Node, Scalar, YamlText, is_null, place_of
from novaql.rules.yaml_reader import YamlReader

FILE_FIELDS = ("groups",)
GROUP_FIELDS = ("name", "interval", "query_offset", "limit", "labels", "rules")
RULE_FIELDS = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")
_ONLY_ALERTS = ("for", "keep_firing_for", "annotations")


def read_rule_file(path: str | Path, *, names: Names = Names.UTF8) -> RuleFile:
    """The rules of a file. Raises `FileProblems` with all problems, `OSError`."""
    return read_rules(read_text(path), str(path), names=names)


def read_text(path: str | Path) -> str:
    """Text of a file. Raises `FileProblems` if it is not UTF-8, `OSError`."""
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        before = data[: problem.start]
        place = Place(before.count(b"\n") + 1, problem.start - (before.rfind(b"\n") + 1) + 1)
        raise FileProblems([Problem(str(path), place, "not UTF-8")]) from None


def read_rules(
    text: str,
    file: str,
    *,
    names: Names = Names.UTF8,
    checkpoint: Callable[[], None] = lambda: None,
) -> RuleFile:
    """The rules of a text; `file` is its name in messages. Raises `FileProblems`.

    checkpoint  called before each rule; an exception that it raises ends the reading
    """
    source = YamlText(text, file)
    root = source.first_document()
    reading = _Reading(source, names, checkpoint)
    groups = reading.groups(root)
    if reading.yaml.problems:
        raise FileProblems(reading.yaml.problems)
    return RuleFile(file, groups)


class _Reading:
    def __init__(self, source: YamlText, names: Names, checkpoint: Callable[[], None]) -> None:
        self.yaml = YamlReader(source)
        self.names = names
        self.checkpoint = checkpoint

    def groups(self, root: Node | None) -> tuple[Group, ...]:
        found: list[Group] = []
        seen: set[str] = set()
        fields = self.yaml.fields(root, FILE_FIELDS, "a rule file")
        for node in self.yaml.items(fields.get("groups"), "groups"):
            if is_null(node):
                self.yaml.complain(node, "the group has no name")
                continue
            group = self.group(node)
            if group.name in seen:
                self.yaml.complain(node, f"the group {group.name!r} is in this file already")
            seen.add(group.name)
            found.append(group)
        return tuple(found)

    def group(self, node: Node) -> Group:
        yaml = self.yaml
        fields = yaml.fields(node, GROUP_FIELDS, "a group")
        name = yaml.text(fields.get("name"), "name")
        if not name:
            yaml.complain(node, "the group has no name")
        rules = tuple(
            self.rule(item, f"group {name!r}, rule {number}")
            for number, item in enumerate(yaml.items(fields.get("rules"), "rules"), start=1)
        )
        return Group(
            name=name,
            rules=rules,
            interval_ms=yaml.duration_ms(fields.get("interval"), "interval"),
            query_offset_ms=yaml.duration_ms(fields.get("query_offset"), "query_offset"),
            limit=yaml.integer(fields.get("limit"), "limit") or 0,
            labels=self.labels(fields.get("labels"), f"group {name!r}"),
            place=place_of(node),
        )

    def rule(self, node: Node, where: str) -> Rule:
        self.checkpoint()
        yaml = self.yaml
        fields = yaml.fields(node, RULE_FIELDS, "a rule")
        record = yaml.text(fields.get("record"), "record")
        alert = yaml.text(fields.get("alert"), "alert")
        if name := alert or record:
            where = f"{where}, {name!r}"
        if record and alert:
            yaml.complain(fields["alert"], f"{where}: a rule has either record or alert, not both")
        elif not name:
            yaml.complain(node, f"{where}: a rule needs record or alert")
        expr = self.expression(node, fields.get("expr"), where)
        labels = self.labels(fields.get("labels"), where)
        for_ms = yaml.duration_ms(fields.get("for"), "for") or 0
        keep_firing_ms = yaml.duration_ms(fields.get("keep_firing_for"), "keep_firing_for") or 0
        annotations = yaml.text_map(fields.get("annotations"), "annotations")
        for key in annotations:
            if not self.names.label(key):
                yaml.complain(fields["annotations"], f"{where}: {key!r} is no annotation name")
        if record:
            self.recording(record, fields, (for_ms, keep_firing_ms, bool(annotations)), where)
        if not alert:
            return RecordingRule(record, expr, labels, place_of(node))
        for part in ("labels", "annotations"):
            self.templates(fields.get(part), part.removesuffix("s"), where)
        return AlertingRule(
            alert, expr, for_ms, keep_firing_ms, labels, annotations, place_of(node)
        )

    def recording(
        self, name: str, fields: dict[str, Node], given: tuple[int, int, bool], where: str
    ) -> None:
        """Check what applies only to recording rules."""
        for field, value in zip(_ONLY_ALERTS, given, strict=True):
            if value:
                self.yaml.complain(fields[field], f"{where}: a recording rule has no {field}")
        if not self.names.metric(name):
            self.yaml.complain(fields["record"], f"{where}: {name!r} is no metric name")
        elif "{" in name or "}" in name:
            self.yaml.complain(
                fields["record"],
                f"{where}: {name!r} has braces; matchers belong into expr, labels into labels",
            )

    def labels(self, node: Node | None, where: str) -> dict[str, str]:
        labels = self.yaml.text_map(node, "labels")
        for name in labels:
            if not self.names.rule_label(name):
                assert node is not None
                self.yaml.complain(node, f"{where}: {name!r} is no name for a label of a rule")
        return labels

    def expression(self, rule: Node, node: Node | None, where: str) -> str:
        text = self.yaml.text(node, "expr")
        if not isinstance(node, Scalar) or not text:
            if node is None or text == "":
                self.yaml.complain(node or rule, f"{where}: the rule has no expr")
            return text
        try:
            parse(text)
        except QueryError as problem:
            place = self.yaml.source.inside(node, problem.span.start)
            self.yaml.complain(place, f"{where}: expr: {problem.sentence}")
        return text

    def templates(self, node: Node | None, kind: str, where: str) -> None:
        """Parse the templates of an alert's labels or annotations."""
        for key, value in node.value if isinstance(node, Mapping) else ():
            if not (isinstance(key, Scalar) and isinstance(value, Scalar)):
                continue
            name = key.value
            try:
                parse_alert_template(value.value)
            except TemplateProblem as problem:
                place = self.yaml.source.inside(value, problem.position)
                self.yaml.complain(place, f"{where}: {kind} {name}: {problem.reason}")
