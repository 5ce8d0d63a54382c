"""Functions that work on labels."""

from __future__ import annotations

from novaql.language.signatures.signature import STRING, VECTOR, by_name
from novaql.language.signatures.signature import Signature as Row

LABELS = by_name(
    Row(
        "label_replace", (VECTOR, STRING, STRING, STRING, STRING), VECTOR,
        "label_replace(v, dst, replacement, src, regex): where the regex matches the whole of "
        "label src, label dst becomes the replacement, with $1 or $name for its groups. An empty "
        "result removes the label; series without a match stay as they are. Retains the name.",
        'label_replace(up, "host", "$1", "instance", "host-(.*)")',
    ),
    Row(
        "label_join", (VECTOR, STRING, STRING, STRING), VECTOR,
        "label_join(v, dst, separator, src, …): label dst becomes the values of the src labels, "
        "joined by the separator. An empty result removes the label. Retains the name.",
        'label_join(up, "target", "/", "job", "instance")',
        optional=1,
        variadic=True,
    ),
    Row(
        "sort_by_label", (VECTOR, STRING), VECTOR,
        "The series in natural order of the given labels, then of all labels. Only in instant "
        "queries.",
        'sort_by_label(up, "job", "instance")',
        optional=1,
        variadic=True,
        experimental=True,
    ),
    Row(
        "sort_by_label_desc", (VECTOR, STRING), VECTOR,
        "The series in reversed natural order of the given labels, then of all labels. Only in "
        "instant queries.",
        'sort_by_label_desc(up, "job")',
        optional=1,
        variadic=True,
        experimental=True,
    ),
    Row(
        "info", (VECTOR, VECTOR), VECTOR,
        "Each series with further labels of the info series (target_info, if the second argument "
        "names no other) that has the same instance and job. The second argument is written as a "
        "selector without a name: its matchers choose which labels to add, and one that rejects "
        "the empty value drops series without it. The info series are those of the time that the "
        "first argument's selectors read: offsets of selectors and subqueries count, and @. Where "
        "selectors differ in it, it is the time of the step.",
        'info(rate(http_requests_total[5m]), {cluster=~".+"})',
        optional=1,
        experimental=True,
        differences="MetricsQL does not have it.",
    ),
)  # fmt: skip
