"""Label sets as messages print them."""

from __future__ import annotations

from collections.abc import Mapping

from novaql.evaluator.annotation_text import quote
from tsdb.labels import METRIC_NAME


def label_text(labels: Mapping[str, str]) -> str:
    """`name{a="b"}`, as Prometheus prints a label set."""
    name = labels.get(METRIC_NAME, "")
    inner = ", ".join(
        f"{key}={quote(value)}" for key, value in labels.items() if key != METRIC_NAME
    )
    if name and not inner:
        return name
    return f"{name}{{{inner}}}"
