"""The registry of functions and aggregators."""

from __future__ import annotations

import pytest

from novaql.language import AGGREGATORS, FUNCTIONS, ValueType, parse, type_of
from novaql.language.ast import Aggregate, Call
from novaql.language.signatures import Origin
from novaql.language.visit import walk


def test_all_of_promql_is_there() -> None:
    promql = Origin.PROMQL
    assert sum(row.origin is promql for row in FUNCTIONS.values()) == 90
    assert sum(row.origin is promql for row in AGGREGATORS.values()) == 14


@pytest.mark.parametrize("name", FUNCTIONS)
def test_example_of_a_function_parses_and_calls_it(name: str) -> None:
    expr = parse(FUNCTIONS[name].example)

    assert name in {node.function for node in walk(expr) if isinstance(node, Call)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_has_the_type_its_row_says(name: str) -> None:
    call = next(n for n in walk(parse(FUNCTIONS[name].example)) if isinstance(n, Call))

    assert FUNCTIONS[call.function].returns is type_of(call)


@pytest.mark.parametrize("name", AGGREGATORS)
def test_example_of_an_aggregator_parses_and_uses_it(name: str) -> None:
    expr = parse(AGGREGATORS[name].example)

    assert name in {node.op for node in walk(expr) if isinstance(node, Aggregate)}


@pytest.mark.parametrize("row", [*FUNCTIONS.values(), *AGGREGATORS.values()], ids=lambda r: r.name)
def test_documentation_is_in_sentences(row: object) -> None:
    doc = getattr(row, "doc", "")

    assert doc.endswith(".")
    assert len(doc) > 12


@pytest.mark.parametrize(
    ("name", "form", "fewest", "most"),
    [
        ("rate", "rate(range vector)", 1, 1),
        ("round", "round(instant vector, [scalar])", 1, 2),
        ("hour", "hour([instant vector], [string])", 0, 2),
        ("label_join", "label_join(instant vector, string, string, [string], …)", 3, None),
        ("histogram_quantiles", "histogram_quantiles(instant vector, string, scalar, …)", 3, 12),
        ("quantiles_over_time", "quantiles_over_time(string, scalar, …, range vector)", 3, None),
    ],
)
def test_how_many_arguments(name: str, form: str, fewest: int, most: int | None) -> None:
    row = FUNCTIONS[name]

    assert form == str(row)
    assert (fewest, most) == (row.fewest_arguments, row.most_arguments)


def test_repeated_arguments_have_the_last_type() -> None:
    assert ValueType.STRING is FUNCTIONS["label_join"].argument_type(9)
