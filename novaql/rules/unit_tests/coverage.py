"""The rules that the tests cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from novaql.errors import QueryError
from novaql.fast_dataclass import dataclass
from novaql.language import parse_core, walk
from novaql.language.ast import VectorSelector
from novaql.rules.evaluation.alerting import ALERT_NAME, ALERTS, ALERTS_FOR_STATE
from novaql.rules.model import AlertingRule, Rule, RuleFile
from novaql.rules.unit_tests.model import TestGroup
from novaql.selectors import matcher_sets_of
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.matchers import select_rows


class Covered(StrEnum):
    """TESTED: an expectation is about the result of the rule. USED: a tested rule reads it."""

    TESTED = "tested"
    USED = "used by a tested rule"
    NOT = "not tested"


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    file: str
    group: str
    rule: Rule
    covered: Covered


def coverage(rules: Sequence[RuleFile], tests: Iterable[TestGroup]) -> list[RuleCoverage]:
    """How each rule is covered, in the order of the files."""
    every = [(file, group, rule) for file in rules for group in file.groups for rule in group.rules]
    tests = list(tests)
    names = {alert.name for test in tests for alert in test.alerts}
    texts = [expr.expr for test in tests for expr in test.exprs]
    tested = {
        number
        for number, (_, _, rule) in enumerate(every)
        if (isinstance(rule, AlertingRule) and rule.name in names)
        or any(_reads(text, rule) for text in texts)
    }
    used: set[int] = set()
    waiting = list(tested)
    while waiting:
        text = every[waiting.pop()][2].expr
        for number, (_, _, rule) in enumerate(every):
            if number not in tested | used and _reads(text, rule):
                used.add(number)
                waiting.append(number)
    return [
        RuleCoverage(
            file.file,
            group.name,
            rule,
            Covered.TESTED if n in tested else Covered.USED if n in used else Covered.NOT,
        )
        for n, (file, group, rule) in enumerate(every)
    ]


def coverage_lines(found: Sequence[RuleCoverage]) -> Iterator[str]:
    """A line for each rule that is not tested, and one with the share of those that are."""
    for row in found:
        if row.covered is Covered.NOT:
            place = f"{row.file}:{row.rule.place.line}:{row.rule.place.column}"
            yield f"{place}: group {row.group!r}: {row.rule.name} is not tested"
    direct = sum(row.covered is Covered.TESTED for row in found)
    used = sum(row.covered is Covered.USED for row in found)
    share = 100 * (direct + used) / len(found) if found else 100.0
    yield (
        f"coverage: {share:.1f}% of {len(found)} rules"
        f" ({direct} tested, {used} used by tested rules)"
    )


def _reads(expr: str, rule: Rule) -> bool:
    """Whether a selector of the expression can match the series that the rule writes."""
    try:
        tree = parse_core(expr)
    except QueryError:
        return False
    names = (ALERTS, ALERTS_FOR_STATE) if isinstance(rule, AlertingRule) else (rule.name,)
    # Only constant labels are compared, since templates may return any text.
    known = {name: text for name, text in rule.labels.items() if "{{" not in text}
    if isinstance(rule, AlertingRule):
        known[ALERT_NAME] = rule.name
    for node in walk(tree):
        if not isinstance(node, VectorSelector):
            continue
        for matchers in matcher_sets_of(node):
            checked = [m for m in matchers if m.name == METRIC_NAME or m.name in known]
            for name in names:
                table = SeriesTable.from_dicts([{**known, METRIC_NAME: name}])
                if select_rows(table, checked).any():
                    return True
    return False
