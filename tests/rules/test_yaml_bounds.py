"""YAML that is small as a text and large as a value, or slow to convert, is refused at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from novaql.rules.problems import FileProblems
from novaql.rules.reading import read_rules
from novaql.rules.yaml_bounds import YamlProblem
from novaql.rules.yaml_nodes import YamlText
from novaql.rules.yaml_values import read_yaml, read_yaml_documents


def levels(first: str, each: str, count: int = 9) -> str:
    lines = [f"a0: &a0 {first}"]
    for level in range(1, count + 1):
        inner = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} {each.format(inner)}")
    return "\n".join(lines) + "\n"


BOMBS = {
    "lists of aliases": levels("[x, x, x, x, x, x, x, x, x]", "[{}]"),
    "merge keys": levels("{x: 1}", "{{<<: [{}]}}"),
    "a long scalar again and again": f"a: &a {'x' * 100_000}\nb: [{'*a, ' * 1000}]\n",
    "many documents": "---\n" + "\n---\n".join([levels("[x]", "[{}]", 5)] * 20),
    "deep lists": "[" * 200_000,
    "deep mappings": "{a: " * 10_000,
    "deep by aliases": "a0: &a0 [x]\n"
    + "\n".join(f"a{n}: &a{n} [[[[*a{n - 1}]]]]" for n in range(1, 30)),
    "itself": "a: &a {b: [*a]}",
    "digits": f"a: {'9' * 200_000}",
    "octal digits": f"a: 0{'7' * 200_000}",
    "sexagesimal": "a: " + ":".join(["59"] * 100_000),
    "tagged digits": f"a: !!int '{'9' * 200_000}'",
    "tagged sexagesimal": "a: !!int " + ":".join(["59"] * 100_000),
    "a long fraction of a second": f"a: 2026-01-01T00:00:00.{'1' * 200_000}",
}  # fmt: skip
WRONG = {
    "a: 1\na: 2": "the key 'a' is given twice at line 2, column 1",
    "a: 2026-13-01": "month must be in 1..12",
    "a: 2026-01-01T00:00:00+99:99": "none of its kind",
    "a: !!bool x": "none of its kind",
    "a: !!timestamp x": "none of its kind",
    "{[a]: 1}": "unhashable key",
    "a: *b": "undefined alias 'b'",
    "a: 1\n---\na: 2": "more than one document",
    "!!python/object:os.system {}": "could not determine a constructor",
    "a: \x00": "special characters are not allowed|control characters",
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_fill_memory_or_time_is_refused(name: str) -> None:
    """In a process of its own that may have 1 GiB and 60 s."""
    done = subprocess.run(
        [sys.executable, "-c", _IN_BOUNDS],
        input=BOMBS[name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "refused refused"), done.stderr


_IN_BOUNDS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from novaql.rules.yaml_bounds import YamlProblem
from novaql.rules.yaml_values import read_yaml_documents
from novaql.rules.problems import FileProblems
from novaql.rules.reading import read_rules
text = sys.stdin.read()
said = []
for read, refusal in ((read_yaml_documents, YamlProblem), (lambda t: read_rules(t, "f"), FileProblems)):
    try:
        read(text)
    except refusal as problem:
        said.append("refused")
        assert len(str(problem)) < 100_000, len(str(problem))
print(*said, end="")
"""  # noqa: E501 - a program in a text


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_with_its_place(text: str) -> None:
    with pytest.raises(YamlProblem, match=WRONG[text]) as problem:
        read_yaml(text)
    assert problem.value.line >= 1


def test_aliases_and_merge_keys_of_usual_size_are_taken() -> None:
    text = "base: &base {a: 1, b: [x]}\none: {<<: *base, a: 2}\nlist: [*base, *base]\n"
    assert read_yaml(text) == yaml.safe_load(text)
    assert read_yaml("") is None
    assert read_yaml_documents("--- 1\n--- 2\n") == [1, 2]
    assert read_yaml("a: " + "9" * 99) == {"a": int("9" * 99)}
    assert read_yaml(f"a: {'x' * 10_000} \nb: '{'9' * 10_000}'")["b"] == "9" * 10_000


def test_a_clients_value_is_cut_in_the_message() -> None:
    name = "é b" * 10_000
    rule = f"{{record: a, expr: 1, labels: {{'{name}': v}}}}"
    for text in (f"groups: [{{name: x, rules: [{rule}]}}]", f"{'x' * 1_000_000}: 1"):
        with pytest.raises(FileProblems) as problem:
            read_rules(text, "f")
        assert len(str(problem.value)) < 2_000


scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5)


def holding(inner: Any) -> Any:
    keys = st.text(max_size=3)
    return inner | st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)


values = holding(holding(scalars))


@given(values)
def test_what_is_written_is_read_as_pyyaml_reads_it(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert read_yaml(text) == yaml.safe_load(text)


@given(st.text(alphabet="a*&:-[]{},<! \n'\"0.", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    said = ""
    try:
        read_yaml_documents(text)
        YamlText(text, "f").first_document()
    except (YamlProblem, FileProblems) as problem:
        said = str(problem)
    assert len(said) < 2_000


@pytest.mark.slow
def test_no_other_module_constructs_values_of_yaml() -> None:
    """PyYAML's own loaders have no bounds."""
    root = Path(__file__).parents[2]
    loads = ("yaml.load", "yaml.safe_load", "yaml.full_load", "yaml.unsafe_load", "yaml.compose")
    found = [
        f"{path.relative_to(root)}"
        for house in ("novaql", "server", "tsdb")
        for path in (root / house).rglob("*.py")
        if any(
            f"{name}(" in path.read_text() or f"{name}_all(" in path.read_text() for name in loads
        )
    ]
    assert found == []
