"""Places inside of scalars, however they are written."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaql.rules.problems import FileProblems
from novaql.rules.yaml_nodes import Mapping, Scalar, YamlText

STYLES = {
    "plain": "a: one two MARK three\n",
    "plain over lines": "a: one\n   two\n   MARK three\n",
    "single": "a: 'it''s MARK'\n",
    "double": 'a: "tab\\t\\u00e9 \\"MARK\\""\n',
    "double over lines": 'a: "one\n\n   two \\\n   MARK"\n',
    "literal": "a: |\n    one\n\n      two\n    x MARK\nb: c\n",
    "folded": "a: >-\n    one\n    two\n\n    x MARK\nb: c\n",
    "literal, not ASCII": "é: |\n    äöü MARK\n",
}


def only(source: YamlText) -> Scalar:
    root = source.first_document()
    assert isinstance(root, Mapping)
    value = root.value[0][1]
    assert isinstance(value, Scalar)
    return value


@pytest.mark.parametrize("style", STYLES)
def test_place_inside(style: str) -> None:
    text = STYLES[style]
    source = YamlText(text, "f")
    node = only(source)

    place = source.inside(node, node.value.index("MARK"))

    before = text[: text.index("MARK")]
    assert (place.line, place.column) == (
        before.count("\n") + 1,
        len(before) - (before.rfind("\n") + 1) + 1,
    )


@given(st.text(max_size=60))
@example('"\r\x85')
def test_any_text_is_yaml_or_a_located_problem(text: str) -> None:
    try:
        YamlText(text, "f").first_document()
    except FileProblems as found:
        places = [problem.place for problem in found.problems]
    else:
        places = []
    lines = len(re.findall("\r\n|[\r\n\x85\u2028\u2029]", text)) + 2  # YAML's line breaks
    assert all(1 <= place.line <= lines and place.column >= 1 for place in places)


def test_an_alias_of_itself_is_refused() -> None:
    with pytest.raises(FileProblems, match="nested too deeply"):
        YamlText("a: &x\n  b: *x\n", "f").first_document()


def test_aliases_are_counted_as_often_as_they_repeat_a_value() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]

    with pytest.raises(FileProblems, match=r"f:1\d:.*with its aliases it has more than"):
        YamlText("\n".join(lines), "f").first_document()
    assert YamlText("\n".join(lines[:12]), "f").first_document() is not None


@pytest.mark.parametrize("text", ["[" * 5000, "a: " * 5000, "- " * 5000, "{a: " * 300])
def test_deep_nesting_is_a_problem(text: str) -> None:
    with pytest.raises(FileProblems):
        YamlText(text, "f").first_document()
