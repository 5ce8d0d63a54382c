"""Which groups of an aggregation lose the metric name that they are grouped by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels.windows import Bools
from novaql.evaluator.matrix import NAME_LABELS, StepMatrix
from novaql.tsdb.model.labels import concat_tables


def mark_groups(found: StepMatrix, groups: Groups, nameless: Bools | bool) -> StepMatrix:
    """Return the values of groups, marked where one of the series of a group is.

    nameless  the mark of each series, or of all
    """
    if not np.any(nameless) or not any(name in groups.labels.columns for name in NAME_LABELS):
        return found
    if np.all(nameless):
        return found.mark_nameless()
    of_groups = groups.labels.take(np.unique(groups.of_row[nameless]))
    keys = concat_tables([found.series, of_groups]).keys()
    return replace(found, nameless=np.isin(keys[: found.rows], keys[found.rows :]))
