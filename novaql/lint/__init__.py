"""Probable mistakes in a query that parses: findings, each with its place.

from novaql.lint import lint
for finding in lint("histogram_quantile(0.9, sum(rate(x_bucket[5m])))"):
    print(finding)
"""

from __future__ import annotations

from novaql.lint.finding import Finding, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.linter import RULES, lint

__all__ = ["RULES", "Finding", "Knowledge", "Severity", "lint"]
