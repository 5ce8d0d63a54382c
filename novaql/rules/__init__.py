"""Recording and alerting rules: files, checks, evaluation, and tests of them.

groups = read_rule_file("rules.yml").groups
run = GroupRun(groups[0], RuleContext(DatabaseStore(database)))
run.evaluate(time_ms)
"""

from __future__ import annotations

from novaql.rules.duplicates import duplicate_rules
from novaql.rules.durations import file_duration_ms, format_duration
from novaql.rules.evaluation import (
    DatabaseStore,
    GroupRun,
    RuleContext,
    RuleOutcome,
)
from novaql.rules.model import AlertingRule, Group, RecordingRule, Rule
from novaql.rules.names import Names
from novaql.rules.problems import FileProblems, Place, Problem
from novaql.rules.reading import read_rule_file, read_rules
from novaql.rules.yaml_bounds import YamlProblem
from novaql.rules.yaml_values import read_yaml, read_yaml_documents

__all__ = [
    "AlertingRule",
    "DatabaseStore",
    "FileProblems",
    "Group",
    "GroupRun",
    "Names",
    "Place",
    "Problem",
    "RecordingRule",
    "Rule",
    "RuleContext",
    "RuleOutcome",
    "YamlProblem",
    "duplicate_rules",
    "file_duration_ms",
    "format_duration",
    "read_rule_file",
    "read_rules",
    "read_yaml",
    "read_yaml_documents",
]
