"""The label of a metric's name, and the error for two names."""

from __future__ import annotations

from novaql.language.fault import brief

METRIC_NAME = "__name__"
ONE_OF_NAMES = 'for one of several names write {__name__=~"a|b"}'


def named_twice(first: str, second: str) -> str:
    return f'the metric name is given twice: "{brief(first)}" and "{brief(second)}"'
