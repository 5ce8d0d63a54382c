"""Fixtures of the planner's rules: a query, the plan that the rule gets, the plan that it returns.

`fixtures/RULE.txt` consists of cases:

    # a selector reads no more labels than the query looks at
    query  sum by (job) (m)
    before
      Aggregation op=sum by_batch=True grouping=('job',)
        Select {__name__='m'}
    after
      Aggregation op=sum by_batch=True grouping=('job',)
        Select {__name__='m'} labels=(__name__, job)

`after  unchanged` is a case to which the rule must not apply; the comment says why. The plan before
is that of the rules ahead of it in `RULES`. `data  histograms` below the query says that the data
may have native histograms.

`python -m tests.planner.rule_fixtures` writes the plans anew. Read the difference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from novaql.language import parse
from novaql.options import QueryOptions
from novaql.planner import build_plan
from novaql.planner.logical import Plan
from novaql.planner.optimizer import of_floats
from novaql.planner.rules import RULES, Rule
from novaql.planner.show import show

FIXTURES = Path(__file__).parent / "fixtures"
OPTIONS = QueryOptions(0, 600_000, 60_000)
UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Case:
    """line: of the query in its file."""

    rule: Rule
    query: str
    reason: str
    histograms: bool
    before: str
    after: str
    line: int

    @property
    def applies(self) -> bool:
        return self.after != UNCHANGED

    def plan(self) -> Plan:
        """The plan that the rule gets."""
        plan = build_plan(parse(self.query), self.query, OPTIONS)
        plan = plan if self.histograms else of_floats(plan)
        for rule in takewhile(lambda rule: rule is not self.rule, RULES):
            plan = rule(plan)
        return plan


def path_of(rule: Rule) -> Path:
    return FIXTURES / f"{rule.__name__}.txt"


def read(rule: Rule) -> list[Case]:
    """The cases of a rule. A comment is the reason of all cases up to the next one."""
    cases = []
    reason, line = "", 1
    for paragraph in re.split(r"(?<=\n)\n", path_of(rule).read_text(encoding="utf-8")):
        comments = list(takewhile(lambda text: text[:1] == "#", paragraph.splitlines()))
        if comments:
            reason = "\n".join(comments)
        body = paragraph.splitlines()[len(comments) :]
        if body:
            cases.append(_case(rule, body, reason, line + len(comments)))
        line += paragraph.count("\n") + 1
    return cases


def _case(rule: Rule, lines: list[str], reason: str, line: int) -> Case:
    fields: dict[str, str] = {}
    name = ""
    for text in lines:
        if text[:1] == " ":
            fields[name] += f"{text[2:]}\n"
        else:
            name, _, value = text.partition("  ")
            fields[name] = value
    return Case(
        rule,
        fields["query"],
        reason,
        fields.get("data", "") == "histograms",
        fields.get("before", "").rstrip("\n"),
        fields.get("after", "").rstrip("\n"),
        line,
    )


def written(cases: list[Case]) -> str:
    """The text of a fixture with today's plans."""
    blocks = []
    reason = ""
    for case in cases:
        before = case.plan()
        after = case.rule(before)
        lines = [] if case.reason == reason else [case.reason]
        reason = case.reason
        lines += [f"query  {case.query}"]
        lines += ["data  histograms"] if case.histograms else []
        lines += ["before", show(before, "  ")]
        lines += [f"after  {UNCHANGED}"] if after == before else ["after", show(after, "  ")]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    for each in RULES:
        path_of(each).write_text(written(read(each)), encoding="utf-8")
