"""Label sets as messages print them."""

from __future__ import annotations

from collections.abc import Mapping

from novaql.evaluator.annotation_text import quote


def label_text(labels: Mapping[str, str]) -> str:
    """`{__name__="m", a="b"}`, as Prometheus prints a label set in errors."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels.items()) + "}"
