"""The label of a metric's name, the error for two names, and labels that need quotes."""

from __future__ import annotations

from novaql.language.fault import brief

METRIC_NAME = "__name__"
QUOTED_IN_LISTS = frozenset({"without", "inf", "nan"})
"""Labels, in lower case, that PromQL reads in `by (…)`, `on (…)` and their like only in quotes."""
ONE_OF_NAMES = 'for one of several names write {__name__=~"a|b"}'


def named_twice(first: str, second: str) -> str:
    return f'the metric name is given twice: "{brief(first)}" and "{brief(second)}"'
