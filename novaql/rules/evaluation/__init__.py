"""Carrying out rules: one group at a time, over any store that takes what they write.

`GroupRun(group, context).evaluate(time_ms)` is the door. Rules of a group run in order, each sees
what those before it wrote at the same time.
"""

from __future__ import annotations

from novaql.rules.evaluation.alerting import ActiveAlert, AlertState
from novaql.rules.evaluation.context import RuleContext, RuleStore
from novaql.rules.evaluation.database_store import DatabaseStore
from novaql.rules.evaluation.group import GroupRun, RuleOutcome
from novaql.rules.evaluation.restore import restore

__all__ = [
    "ActiveAlert",
    "AlertState",
    "DatabaseStore",
    "GroupRun",
    "RuleContext",
    "RuleOutcome",
    "RuleStore",
    "restore",
]
