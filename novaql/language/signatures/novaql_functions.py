"""Functions that neither PromQL nor MetricsQL has: objectives, seasons, correlation."""

from __future__ import annotations

from functools import partial

from novaql.language.signatures.signature import (
    MATRIX,
    SCALAR,
    VECTOR,
    Origin,
    Signature,
    by_name,
)

Row = partial(Signature, origin=Origin.NOVAQL)

NOVAQL_FUNCTIONS = by_name(
    Row(
        "seasonal_baseline", (MATRIX, SCALAR), VECTOR,
        "Median of the values one, two, … periods (in seconds) ago, as far back as the range "
        "reaches. Each is the newest sample at that time within the lookback; absent where no "
        "period has one. Needs a period of at least a thousandth of the range.",
        "go_goroutines - seasonal_baseline(go_goroutines[1h], 20m)",
    ),
    Row(
        "correlation", (MATRIX, MATRIX), VECTOR,
        "Pearson's correlation, -1 to 1, of each pair of series that have the same labels but "
        "for the name. Each sample of the first range is paired with the newest sample of the "
        "other range at that time within the lookback. Needs two pairs; absent where one of the "
        "series does not change, NaN where a value is NaN.",
        "correlation(node_load1[1h], node_load5[1h])",
    ),
    Row(
        "burn_rate", (VECTOR, SCALAR), VECTOR,
        "How fast an error budget is used: the ratio of bad events, divided by what the objective "
        "(0.999) leaves of 1. At 1, the budget lasts exactly as long as its period. The objective "
        "counts as the decimal that is written.",
        "burn_rate(job:bad_requests:ratio_rate1h, 0.999)",
    ),
    Row(
        "error_budget_remaining", (MATRIX, MATRIX, SCALAR), VECTOR,
        "Share of the error budget that is left: 1 at first, 0 once it is used up, negative "
        "beyond. From the increase of the counters of good and of all events within the range, "
        "without extrapolation, and the objective (0.999), which counts as the decimal that is "
        "written. Absent without events, and for series that only one of the ranges has.",
        "error_budget_remaining(http_requests_good_total[1h], http_requests_all_total[1h], 0.995)",
    ),
)  # fmt: skip
