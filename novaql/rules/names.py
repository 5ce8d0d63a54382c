"""The names that metrics and labels may have: any text (Prometheus 3) or the older alphabet."""

from __future__ import annotations

import re
from enum import StrEnum

from novaql.text.unicode import is_utf8
from novaql.tsdb.model.labels import METRIC_NAME

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Names(StrEnum):
    """UTF8: any text that is not empty. LEGACY: letters, digits, underscores, colons in metrics."""

    UTF8 = "utf8"
    LEGACY = "legacy"

    def metric(self, name: str) -> bool:
        """Whether a metric may have this name."""
        return _fits(name) if self is Names.UTF8 else _METRIC.fullmatch(name) is not None

    def label(self, name: str) -> bool:
        """Whether a label may have this name."""
        return _fits(name) if self is Names.UTF8 else _LABEL.fullmatch(name) is not None

    def rule_label(self, name: str) -> bool:
        """Whether a rule may set a label of this name."""
        return name != METRIC_NAME and self.label(name)


def _fits(name: str) -> bool:
    return name != "" and is_utf8(name)
