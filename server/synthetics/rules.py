"""The alert of a check as a rule over the series that its results write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from novaql.server.http.shapes import duration_text
from novaql.server.synthetics.tables import Synthetic

FAILING = "probe_region_failing"
"""1 while a region fails by the thresholds of the check; otherwise 0."""


def alert_rules(check: Synthetic, state_s: float) -> list[dict[str, Any]]:
    """Return the rule that fires while at least `min_failing_regions` regions fail.

    state_s  how long the last state of a region counts, at least; four intervals if that is longer
    """
    window = max(timedelta(seconds=state_s), timedelta(milliseconds=4 * check.interval_ms))
    last = f'last_over_time({FAILING}{{check_id="{check.id}"}}[{duration_text(window)}])'
    labels = {"severity": check.severity, "check_id": check.id}
    if check.service is not None:
        labels["service"] = check.service
    return [
        {
            "name": "SyntheticCheckFailing",
            "expr": f"sum by (check) ({last}) >= {check.min_failing_regions}",
            "labels": labels,
            "annotations": {
                "summary": "the check {{ $labels.check }} fails in {{ $value }} regions",
            },
        }
    ]
