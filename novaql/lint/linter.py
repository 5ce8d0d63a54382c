"""All rules over one query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from novaql.language.ast import Expr
from novaql.language.parse import parsed
from novaql.lint.finding import Finding, Remark
from novaql.lint.knowledge import Knowledge
from novaql.lint.rules_of_arguments import (
    absent_of_groups,
    coarse_subquery,
    lost_group,
    scalar_of_many,
    time_of_result,
)
from novaql.lint.rules_of_comparisons import (
    beyond_calendar,
    exact_rate,
    impossible_comparison,
    never_zero,
    ratio_in_per_cent,
)
from novaql.lint.rules_of_counters import (
    delta_of_counter,
    rate_of_gauge,
    rate_of_rate,
    rate_of_sum,
    raw_counter,
    short_window,
)
from novaql.lint.rules_of_histograms import (
    average_of_quantiles,
    missing_le,
    not_buckets,
    quantile_of_averages,
    quantile_since_start,
    sum_of_buckets,
)
from novaql.lint.rules_of_names import unused_name
from novaql.lint.rules_of_operands import same_operands, set_of_bool, vector_beside_groups
from novaql.lint.rules_of_results import labels_not_there, many_groups, operands_never_meet
from novaql.lint.rules_of_selectors import (
    never_matches,
    selects_everything,
    unanchored_hope,
    useless_matcher,
)
from novaql.lint.rules_of_values import (
    count_of_bool,
    many_steps,
    never_absent,
    share_out_of_range,
)

Rule = Callable[[Expr, Knowledge], Iterator[Remark]]

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "rate-of-gauge": rate_of_gauge,
        "delta-of-counter": delta_of_counter,
        "rate-of-sum": rate_of_sum,
        "raw-counter": raw_counter,
        "short-window": short_window,
        "missing-le": missing_le,
        "quantile-of-averages": quantile_of_averages,
        "quantile-since-start": quantile_since_start,
        "unanchored-hope": unanchored_hope,
        "never-matches": never_matches,
        "selects-everything": selects_everything,
        "operands-never-meet": operands_never_meet,
        "many-groups": many_groups,
        "labels-not-there": labels_not_there,
        "useless-matcher": useless_matcher,
        "impossible-comparison": impossible_comparison,
        "count-of-bool": count_of_bool,
        "share-out-of-range": share_out_of_range,
        "never-absent": never_absent,
        "many-steps": many_steps,
        "unused-name": unused_name,
        "not-buckets": not_buckets,
        "never-zero": never_zero,
        "average-of-quantiles": average_of_quantiles,
        "ratio-in-per-cent": ratio_in_per_cent,
        "rate-of-rate": rate_of_rate,
        "absent-of-groups": absent_of_groups,
        "coarse-subquery": coarse_subquery,
        "same-operands": same_operands,
        "vector-beside-groups": vector_beside_groups,
        "lost-group": lost_group,
        "set-of-bool": set_of_bool,
        "time-of-result": time_of_result,
        "exact-rate": exact_rate,
        "beyond-calendar": beyond_calendar,
        "sum-of-buckets": sum_of_buckets,
        "scalar-of-many": scalar_of_many,
    }
)
"""Every rule by its name. The docstring of a rule describes it."""

OF_WHAT_IS_WRITTEN = frozenset({"unused-name"})
"""Rules that read the surface tree; the others read the core tree, without names of `let`."""


def lint(text: str, known: Knowledge | None = None) -> list[Finding]:
    """Return the findings of the rules for a query, in the order of the text.

    known  facts about the data; None: rules use only names

    Raises `QueryError` if the text is not a query.
    """
    trees = parsed(text)
    knowledge = Knowledge() if known is None else known
    found: dict[Finding, None] = {}
    for name, rule in RULES.items():
        root = trees.surface if name in OF_WHAT_IS_WRITTEN else trees.core
        for remark in rule(root, knowledge):
            line, column = remark.span.position(text)
            length = max(1, remark.span.end - remark.span.start)
            found[
                Finding(
                    name, remark.severity, remark.message, line, column, length, remark.suggestion
                )
            ] = None
    return sorted(found, key=lambda f: (f.line, f.column, f.rule, f.message))
