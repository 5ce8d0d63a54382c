"""Recording and alerting rules: files, checks, evaluation, and tests of them.

groups = read_rule_file("rules.yml").groups
run = GroupRun(groups[0], RuleContext(DatabaseStore(database)))
run.evaluate(time_ms)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.rules.duplicates import duplicate_rules as duplicate_rules
    from novaql.rules.durations import file_duration_ms as file_duration_ms
    from novaql.rules.durations import format_duration as format_duration
    from novaql.rules.evaluation.context import RuleContext as RuleContext
    from novaql.rules.evaluation.database_store import DatabaseStore as DatabaseStore
    from novaql.rules.evaluation.group import GroupRun as GroupRun
    from novaql.rules.evaluation.group import RuleOutcome as RuleOutcome
    from novaql.rules.model import AlertingRule as AlertingRule
    from novaql.rules.model import Group as Group
    from novaql.rules.model import RecordingRule as RecordingRule
    from novaql.rules.model import Rule as Rule
    from novaql.rules.names import Names as Names
    from novaql.rules.problems import FileProblems as FileProblems
    from novaql.rules.problems import Place as Place
    from novaql.rules.problems import Problem as Problem
    from novaql.rules.reading import read_rule_file as read_rule_file
    from novaql.rules.reading import read_rules as read_rules
    from novaql.rules.yaml_bounds import YamlProblem as YamlProblem
    from novaql.rules.yaml_values import read_yaml as read_yaml
    from novaql.rules.yaml_values import read_yaml_documents as read_yaml_documents
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "duplicates": "duplicate_rules",
            "durations": "file_duration_ms format_duration",
            "evaluation.context": "RuleContext",
            "evaluation.database_store": "DatabaseStore",
            "evaluation.group": "GroupRun RuleOutcome",
            "model": "AlertingRule Group RecordingRule Rule",
            "names": "Names",
            "problems": "FileProblems Place Problem",
            "reading": "read_rule_file read_rules",
            "yaml_bounds": "YamlProblem",
            "yaml_values": "read_yaml read_yaml_documents",
        },
    )
