"""Mistakes in the texts that label functions take are told with their place."""

from __future__ import annotations

import pytest

from novaql import query
from novaql.errors import EvaluationError


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ('label_replace(vector(1), "dst", "$1", "src", "(.*")', '"(.*"'),
        ('1 +\n  label_replace(vector(1), "", "$1", "src", ".*")', '""'),
        ('label_replace(vector(1), "\\xff", "$1", "src", ".*")', '"\\xff"'),
        ('label_join(vector(1), "", ",", "src")', '""'),
        ('label_join(vector(1), "dst", ",", "a", "")', '""'),
    ],
)
def test_place_of_the_mistake_is_told(text: str, marked: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        query(text)

    error = caught.value
    assert error.span is not None
    assert text[error.span.start : error.span.end] == marked
    last = text.splitlines()[-1]
    assert (error.line, error.column) == (1 + text.count("\n"), 1 + last.index(marked))
    picture = f"{last}\n{' ' * last.index(marked)}{'^' * len(marked)}"
    sentence = f"{error}: {error.reason}" if error.reason else str(error)
    assert error.explain() == f"{error.line}:{error.column}: {sentence}\n{picture}"


@pytest.mark.parametrize(
    ("text", "message", "reason"),
    [
        (
            'label_replace(vector(1), "dst", "", "src", "(.*")',
            "invalid regular expression in label_replace(): (.*",
            "missing ): (.*",
        ),
        (
            'label_replace(vector(1), "", "", "src", "")',
            "invalid destination label name in label_replace(): ",
            "",
        ),
        (
            'label_join(vector(1), "dst", "", "")',
            "invalid source label name in label_join(): ",
            "",
        ),
    ],
)
def test_messages_are_those_of_prometheus(text: str, message: str, reason: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        query(text)

    assert (str(caught.value), caught.value.reason) == (message, reason)


def test_an_error_of_the_data_has_no_place() -> None:
    with pytest.raises(EvaluationError) as caught:
        query('label_join(vector(1) or label_replace(vector(2), "a", "1", "", ""), "a", "", "b")')

    assert caught.value.line is None
    assert caught.value.explain() == str(caught.value)
