"""A recording rule: the result of its expression with another name."""

from __future__ import annotations

import numpy as np

from novaql.errors import EvaluationError
from novaql.rules.evaluation.context import RuleContext
from novaql.rules.evaluation.vector import Vector, instant_vector
from novaql.rules.model import Group, RecordingRule
from novaql.tsdb.model.labels import METRIC_NAME, LabelColumn, SeriesTable


def record(rule: RecordingRule, group: Group, at_ms: int, context: RuleContext) -> Vector:
    """Return the samples that the rule writes at a time. Raises `EvaluationError` and what queries
    raise."""
    found = instant_vector(rule.expr, at_ms, context)
    series = renamed(found.series, {**group.labels_of(rule), METRIC_NAME: rule.name})
    if len(np.unique(series.keys())) < series.rows:
        raise EvaluationError(
            "vector contains metrics with the same labelset after applying rule labels"
        )
    if group.limit > 0 and series.rows > group.limit:
        raise EvaluationError(f"exceeded limit of {group.limit} with {series.rows} series")
    return Vector(series, found.values, found.native)


def renamed(series: SeriesTable, labels: dict[str, str]) -> SeriesTable:
    """The table with these labels on every row; an empty one removes the label."""
    for name, value in labels.items():
        series = series.with_column(name, LabelColumn.constant(value, series.rows))
    return series
