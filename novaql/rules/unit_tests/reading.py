"""Test files: YAML → model."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from novaql.errors import ArgumentError
from novaql.model.float_histogram import FloatHistogram
from novaql.model.label_set import Labels
from novaql.model.problems import NotationProblem
from novaql.model.series_notation import Item, NamedHint, parse_values, split_series
from novaql.rules.problems import FileProblems
from novaql.rules.reading import read_text
from novaql.rules.unit_tests.model import (
    AlertTest,
    ExpectedAlert,
    ExpectedSample,
    ExprTest,
    TestFile,
    TestGroup,
)
from novaql.rules.yaml_nodes import Node, YamlText, place_of
from novaql.rules.yaml_reader import YamlReader
from novaql.timeparse import to_ms

DEFAULT_INTERVAL_MS = 60_000
_ABSOLUTE = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?$|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]")
"""Unix seconds, or the beginning of RFC 3339: excludes the times of `to_ms` that are relative to
the clock."""
FILE_FIELDS = ("rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare")
TEST_FIELDS = (
    "interval",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
    "name",
    "start_timestamp",
)


def read_test_file(path: str | Path, *, ignore_unknown: bool = False) -> TestFile:
    """The tests of a file. Raises `FileProblems` with all problems, `OSError`."""
    file = str(path)
    source = YamlText(read_text(path), file)
    reading = _Reading(source, ignore_unknown=ignore_unknown)
    found = reading.file(source.first_document(), file)
    if reading.yaml.problems:
        raise FileProblems(reading.yaml.problems)
    return found


class _Reading:
    def __init__(self, source: YamlText, *, ignore_unknown: bool) -> None:
        self.yaml = YamlReader(source)
        self.ignore_unknown = ignore_unknown

    def fields(self, node: Node | None, known: tuple[str, ...], what: str) -> dict[str, Node]:
        return self.yaml.fields(node, None if self.ignore_unknown else known, what)

    def file(self, root: Node | None, file: str) -> TestFile:
        yaml = self.yaml
        fields = self.fields(root, FILE_FIELDS, "a file of rule tests")
        interval = yaml.duration_ms(fields.get("evaluation_interval"), "evaluation_interval")
        interval = interval or DEFAULT_INTERVAL_MS
        order = yaml.texts(fields.get("group_eval_order"), "group_eval_order")
        for number, name in enumerate(order):
            if name in order[:number]:
                yaml.complain(
                    fields["group_eval_order"], f"the group {name!r} is in group_eval_order twice"
                )
        patterns = yaml.texts(fields.get("rule_files"), "rule_files")
        rule_files, missing = _found_files(patterns, os.path.dirname(file))
        tests = tuple(
            self.test(node, number, interval)
            for number, node in enumerate(yaml.items(fields.get("tests"), "tests"))
        )
        fuzzy = yaml.boolean(fields.get("fuzzy_compare"), "fuzzy_compare") or False
        return TestFile(file, rule_files, missing, interval, tuple(order), tests, fuzzy)

    def test(self, node: Node, number: int, evaluation_ms: int) -> TestGroup:
        yaml = self.yaml
        fields = self.fields(node, TEST_FIELDS, "a test")
        start = 0
        if given := yaml.text(fields.get("start_timestamp"), "start_timestamp"):
            try:
                start = _absolute_ms(given)
            except ArgumentError as problem:
                yaml.complain(fields["start_timestamp"], str(problem))
        return TestGroup(
            name=yaml.text(fields.get("name"), "name") or f"unnamed#{number}",
            interval_ms=yaml.duration_ms(fields.get("interval"), "interval") or evaluation_ms,
            series=tuple(
                self.series(item) for item in yaml.items(fields.get("input_series"), "input_series")
            ),
            alerts=tuple(
                self.alert(item)
                for item in yaml.items(fields.get("alert_rule_test"), "alert_rule_test")
            ),
            exprs=tuple(
                self.expr(item)
                for item in yaml.items(fields.get("promql_expr_test"), "promql_expr_test")
            ),
            external_labels=yaml.text_map(fields.get("external_labels"), "external_labels"),
            external_url=yaml.text(fields.get("external_url"), "external_url"),
            start_ms=start,
            place=place_of(node),
        )

    def series(self, node: Node) -> tuple[Labels, tuple[Item, ...]]:
        yaml = self.yaml
        fields = self.fields(node, ("series", "values"), "an input series")
        values = yaml.text(fields.get("values"), "values")
        text = yaml.text(fields.get("series"), "series")
        labels = self.label_set(text, fields.get("series", node), "series")
        if not text.strip():
            yaml.complain(node, "the input series has no name and no labels")
        try:
            return labels, tuple(parse_values(values))
        except NotationProblem as problem:
            yaml.complain(fields.get("values", node), f"values: {problem}")
        return labels, ()

    def label_set(self, text: str, node: Node, name: str) -> Labels:
        """The labels of a field; none if it is empty."""
        if not text.strip():
            return ()
        try:
            labels, rest = split_series(text.strip())
        except NotationProblem as problem:
            self.yaml.complain(node, f"{name}: {problem}")
            return ()
        if rest.strip():
            self.yaml.complain(node, f"{name}: unexpected {rest.strip()!r} behind the series")
            return ()
        return labels

    def alert(self, node: Node) -> AlertTest:
        yaml = self.yaml
        fields = self.fields(node, ("eval_time", "alertname", "exp_alerts"), "an alert test")
        name = yaml.text(fields.get("alertname"), "alertname")
        if not name:
            yaml.complain(node, "an alert test needs an alertname")
        expected = []
        for item in yaml.items(fields.get("exp_alerts"), "exp_alerts"):
            inner = self.fields(item, ("exp_labels", "exp_annotations"), "an expected alert")
            expected.append(
                ExpectedAlert(
                    yaml.text_map(inner.get("exp_labels"), "exp_labels"),
                    yaml.text_map(inner.get("exp_annotations"), "exp_annotations"),
                )
            )
        time = yaml.duration_ms(fields.get("eval_time"), "eval_time") or 0
        return AlertTest(name, time, tuple(expected), place_of(node))

    def expr(self, node: Node) -> ExprTest:
        yaml = self.yaml
        fields = self.fields(node, ("expr", "eval_time", "exp_samples"), "an expression test")
        expected = tuple(
            self.sample(item) for item in yaml.items(fields.get("exp_samples"), "exp_samples")
        )
        time = yaml.duration_ms(fields.get("eval_time"), "eval_time") or 0
        text = yaml.text(fields.get("expr"), "expr")
        return ExprTest(text, time, expected, place_of(fields.get("expr", node)))

    def sample(self, node: Node) -> ExpectedSample:
        yaml = self.yaml
        fields = self.fields(node, ("labels", "value", "histogram"), "an expected sample")
        text = yaml.text(fields.get("labels"), "labels")
        labels = self.label_set(text, fields.get("labels", node), "labels")
        value: float | FloatHistogram = yaml.number(fields.get("value"), "value") or 0.0
        if notation := yaml.text(fields.get("histogram"), "histogram"):
            try:
                items = parse_values(notation)
            except NotationProblem as problem:
                yaml.complain(fields["histogram"], f"histogram: {problem}")
                items = []
            if len(items) == 1 and isinstance(items[0], NamedHint):
                value = items[0].histogram
            elif items:
                yaml.complain(fields["histogram"], "histogram: one histogram is expected here")
        return ExpectedSample(labels, value)


def _found_files(patterns: list[str], folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files that match, in order, and the patterns that match no file."""
    found: list[str] = []
    missing: list[str] = []
    for pattern in patterns:
        full = pattern if os.path.isabs(pattern) else os.path.join(folder, pattern)
        matches = sorted(glob.glob(full)) if pattern else []
        found += [match for match in matches if match not in found]
        if not matches:
            missing.append(full)
    return tuple(found), tuple(missing)


def _absolute_ms(text: str) -> int:
    if not _ABSOLUTE.match(text):
        raise ArgumentError("start_timestamp", f"{text!r} is no date with a time, or Unix seconds")
    return to_ms(text, argument="start_timestamp")
