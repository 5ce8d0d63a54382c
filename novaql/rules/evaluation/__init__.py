"""Evaluates rules: one group at a time, over any store that accepts their results.

`GroupRun(group, context).evaluate(time_ms)` is the entry point. Rules of a group run in order; each
reads what those before it wrote at the same time.
"""

from __future__ import annotations

from novaql.rules.evaluation.alerting import ActiveAlert, AlertState, State, series_of
from novaql.rules.evaluation.context import RuleContext
from novaql.rules.evaluation.database_store import DatabaseStore
from novaql.rules.evaluation.group import GroupRun, RuleOutcome, missing
from novaql.rules.evaluation.recording import record
from novaql.rules.evaluation.restore import GRACE_PERIOD_MS, OUTAGE_TOLERANCE_MS, set_back
from novaql.rules.evaluation.vector import Vector, instant_vector

__all__ = [
    "GRACE_PERIOD_MS",
    "OUTAGE_TOLERANCE_MS",
    "ActiveAlert",
    "AlertState",
    "DatabaseStore",
    "GroupRun",
    "RuleContext",
    "RuleOutcome",
    "State",
    "Vector",
    "instant_vector",
    "missing",
    "record",
    "series_of",
    "set_back",
]
