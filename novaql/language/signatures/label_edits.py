"""Functions of MetricsQL that change labels, or choose series by them."""

from __future__ import annotations

from novaql.language.signatures.signature import (
    SCALAR,
    STRING,
    VECTOR,
    Origin,
    Signature,
    by_name,
)
from novaql.language.value_types import ValueType

_EQUAL = (
    " Native histograms stay. Two series with equal labels and a value at one step fail the query."
)


def _row(
    name: str,
    arguments: tuple[ValueType, ...],
    doc: str,
    example: str,
    *,
    optional: int = 0,
    variadic: bool = False,
    differences: str = "",
) -> Signature:
    return Signature(
        name, arguments, VECTOR, doc, example, optional, variadic,
        origin=Origin.METRICSQL, differences=differences,
    )  # fmt: skip


_WRITING = by_name(
    _row(
        "label_set", (VECTOR, STRING, STRING),
        "label_set(v, label, value, …): each label gets the value that follows it; an empty value "
        "removes the label. `__name__` is the metric name." + _EQUAL,
        'label_set(up, "team", "infra", "tier", "1")',
        variadic=True,
    ),
    _row(
        "label_del", (VECTOR, STRING),
        "The series without the given labels, of which `__name__` may be one." + _EQUAL,
        'label_del(up, "job")',
        variadic=True,
    ),
    _row(
        "label_keep", (VECTOR, STRING),
        "The series without all labels but the given ones; the metric name goes unless `__name__` "
        "is one of them." + _EQUAL,
        'label_keep(up, "__name__", "instance", "job")',
        variadic=True,
    ),
    _row(
        "label_copy", (VECTOR, STRING, STRING),
        "label_copy(v, src, dst, …): each dst label becomes the value of the src label before it; "
        "where that is absent, dst stays as it is." + _EQUAL,
        'label_copy(up, "instance", "host")',
        variadic=True,
    ),
    _row(
        "label_move", (VECTOR, STRING, STRING),
        "label_move(v, src, dst, …): as label_copy, and then removes the src label." + _EQUAL,
        'label_move(up, "instance", "host")',
        variadic=True,
    ),
    _row(
        "label_map", (VECTOR, STRING, STRING, STRING),
        "label_map(v, label, from, to, …): where the label has one of the values `from`, it gets "
        "the value `to` that follows; an absent label has the empty value. Other values stay."
        + _EQUAL,
        'label_map(up, "job", "api", "frontend", "db", "storage")',
        variadic=True,
    ),
    _row(
        "label_transform", (VECTOR, STRING, STRING, STRING),
        "label_transform(v, label, regex, replacement): replaces every part of the label's value "
        "that the regex matches, with $1 or $name for its groups. An empty result removes the "
        "label." + _EQUAL,
        'label_transform(up, "instance", "[-.]", "_")',
    ),
    _row(
        "label_lowercase", (VECTOR, STRING),
        "The values of the given labels in lower case." + _EQUAL,
        'label_lowercase(target_info, "cluster")',
        variadic=True,
    ),
    _row(
        "label_uppercase", (VECTOR, STRING),
        "The values of the given labels in upper case." + _EQUAL,
        'label_uppercase(up, "job")',
        variadic=True,
    ),
    _row(
        "label_graphite_group", (VECTOR, SCALAR),
        "label_graphite_group(v, n, …): the metric name becomes the given groups of the name, with "
        "dots between them. Groups are the parts of a name such as `servers.web-1.load` between "
        "dots, counted from 0. A group that does not exist is empty. The numbers are constants."
        + _EQUAL,
        "label_graphite_group(up, 0)",
        variadic=True,
        differences="MetricsQL writes wrong names for groups that are not in their order.",
    ),
    _row(
        "drop_common_labels", (VECTOR,),
        "The series of all arguments without the labels that all of them have with the same "
        "value; the metric name is one. Which series there are is looked up over the whole range "
        "of the query." + _EQUAL,
        "drop_common_labels(node_load1)",
        variadic=True,
    ),
    _row(
        "alias", (VECTOR, STRING),
        "All series with the given metric name; an empty one removes the name." + _EQUAL,
        'alias(sum by (job) (up), "running")',
    ),
)  # fmt: skip

LABEL_EDITS = _WRITING | by_name(
    _row(
        "label_match", (VECTOR, STRING, STRING),
        "The series of which the label matches the whole regex; an absent label is empty text.",
        'label_match(up, "instance", "host-[12]")',
    ),
    _row(
        "label_mismatch", (VECTOR, STRING, STRING),
        "The series of which the label does not match the whole regex; an absent label is empty "
        "text.",
        'label_mismatch(up, "instance", "host-[12]")',
    ),
    _row(
        "labels_equal", (VECTOR, STRING, STRING),
        "The series of which all the given labels have the same value; absent ones are equal to "
        "each other.",
        'labels_equal(build_info, "version", "build")',
        variadic=True,
    ),
    _row(
        "label_value", (VECTOR, STRING),
        "The label's value as a number, at each step where the series has a value. A series whose "
        "label is absent or no number is absent. Histograms are dropped.",
        'label_value(build_info, "build")',
        differences="MetricsQL has NaN for a label that is no number.",
    ),
    _row(
        "sort_by_label_numeric", (VECTOR, STRING),
        "The series in natural order of the given labels, in which digits compare as numbers, then "
        "of all labels. Only in instant queries. The same as sort_by_label here.",
        'sort_by_label_numeric(up, "instance")',
        variadic=True,
    ),
    _row(
        "sort_by_label_numeric_desc", (VECTOR, STRING),
        "The series in reversed natural order of the given labels, then of all labels. Only in "
        "instant queries. The same as sort_by_label_desc here.",
        'sort_by_label_numeric_desc(up, "instance")',
        variadic=True,
    ),
)  # fmt: skip
