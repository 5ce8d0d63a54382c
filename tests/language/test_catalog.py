"""The registry as plain data."""

from __future__ import annotations

from novaql.language import AGGREGATORS, FUNCTIONS, ValueType, function_entries
from novaql.language.signatures.parameters import parameters_of


def test_every_function_is_there_with_its_parameters() -> None:
    entries = function_entries()
    assert [e.name for e in entries] == sorted([*FUNCTIONS, *AGGREGATORS])
    for entry in entries:
        assert entry.doc
        assert entry.examples
        assert all(p.name and p.meaning for p in entry.parameters)
    for name, row in FUNCTIONS.items():
        parameters = parameters_of(row)
        assert tuple(p.type for p in parameters) == row.arguments, name
        assert sum(p.optional for p in parameters) == row.optional, name


def test_parameters_and_differences() -> None:
    by_name = {entry.name: entry for entry in function_entries()}
    assert [p.name for p in by_name["label_map"].parameters] == ["v", "label", "from", "to"]
    assert [(p.name, p.repeated) for p in by_name["quantiles"].parameters] == [
        ("label", False),
        ("φ", True),
        ("v", False),
    ]
    assert by_name["hour"].parameters[1].type is ValueType.STRING
    (difference,) = by_name["label_value"].differences
    assert difference == "MetricsQL has NaN for a label that is no number."
