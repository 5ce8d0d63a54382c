"""Rules about results: operands that never match, and too many series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from novaql.language import walk
from novaql.language.ast import Aggregate, Binary, Cardinality, Expr, VectorSelector
from novaql.lazy_exports import lazy_module
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.tree import labels_left, makes_labels, metric_of, selectors
from novaql.selectors import matcher_sets_of

if TYPE_CHECKING:
    import difflib
else:  # 5 ms, for misspelt labels alone
    difflib = lazy_module("difflib")

MANY_VALUES = 1000
"""A label with more values than this is unsuitable for grouping."""
SUSPICIOUS = frozenset(
    {
        "id", "uid", "uuid", "user_id", "session", "session_id", "request_id", "trace_id",
        "email", "url", "container_id",
    }
)  # fmt: skip
_CODES = frozenset({"hash", "version", "build", "state", "status", "code", "info"})
"""Words in names of metrics with few different values."""


def operands_never_meet(root: Expr, known: Knowledge) -> Iterator[Remark]:  # noqa: ARG001
    """Sides that are grouped by different labels share no label set."""
    labels_of = labels_left(root)
    for node in walk(root):
        if not isinstance(node, Binary) or node.op in ("or", "unless", "default"):
            continue
        left, right = labels_of[id(node.left)], labels_of[id(node.right)]
        matching = node.matching
        if matching.on:
            renamed = dict(matching.renamed)
            named = tuple(renamed.get(name, name) for name in matching.labels)
            for side, labels, wanted in (
                ("left", left, matching.labels),
                ("right", right, named),
            ):
                gone = [] if labels is None else [n for n in wanted if n not in labels]
                if gone and len(gone) == len(matching.labels):
                    yield Remark(
                        Severity.WARNING,
                        f"on ({', '.join(wanted)}): the {side} side has no such label "
                        "after its aggregation",
                        node.span,
                    )
            continue
        if left is None or right is None:
            continue
        if matching.fill_left is not None or matching.fill_right is not None:
            continue
        ignored = frozenset(matching.labels)
        only_left, only_right = sorted(left - right - ignored), sorted(right - left - ignored)
        if not (only_left or only_right):
            continue
        if matching.cardinality in (Cardinality.ONE_TO_ONE, Cardinality.MANY_TO_MANY):
            sides = [
                f"{', '.join(names)} only on the {side}"
                for side, names in (("left", only_left), ("right", only_right))
                if names
            ]
            yield Remark(
                Severity.ERROR,
                f"the sides have different labels and never match: {'; '.join(sides)}",
                node.span,
                "name the labels that count: on (…), ignoring (…), group_left or group_right",
            )


def many_groups(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Grouping by a label of thousands of values returns as many series."""
    for node in walk(root):
        if not isinstance(node, Aggregate):
            continue
        if node.op == "count_values" and not any(map(_has_few_values, selectors(node.operand))):
            yield Remark(
                Severity.INFO,
                "count_values makes a series of every different value",
                node.span,
                "round the values first",
            )
        if node.without:
            continue
        for label in node.grouping:
            values = [
                len({value for one in sets for value in known.label_values(label, one) or ()})
                for sets in map(matcher_sets_of, selectors(node.operand))
            ]
            if max(values, default=0) > MANY_VALUES:
                yield Remark(
                    Severity.WARNING,
                    f"{label} has {max(values)} values: the result has as many series",
                    node.span,
                    "group by something coarser, or take topk",
                )
            elif not known.has_data and label in SUSPICIOUS:
                yield Remark(
                    Severity.INFO,
                    f"{label} usually has very many values, and the result as many series",
                    node.span,
                )


def _has_few_values(selector: VectorSelector) -> bool:
    """Whether the values of a metric are codes, by its name: a hash, a version, a state."""
    return bool(_CODES & set((metric_of(selector) or "").split("_")))


def labels_not_there(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Grouping by a label that no series has returns one group."""
    labels_of = labels_left(root)
    for node in walk(root):
        if not isinstance(node, Aggregate) or not node.grouping or not known.has_data:
            continue
        below = list(selectors(node.operand))
        if not below or labels_of[id(node.operand)] is not None:
            continue
        names: set[str] = set()
        for selector in below:
            for matchers in matcher_sets_of(selector):
                names |= known.label_names(matchers) or frozenset()
        if not names or any(makes_labels(part) for part in walk(node.operand)):
            continue
        for label in node.grouping:
            if label not in names:
                yield Remark(
                    Severity.WARNING,
                    f"no series here has the label {label}",
                    node.span,
                    _nearest(label, names),
                )


def _nearest(label: str, names: set[str]) -> str | None:
    near = difflib.get_close_matches(label, sorted(names), n=1)
    return f"did you mean {near[0]}?" if near else None
