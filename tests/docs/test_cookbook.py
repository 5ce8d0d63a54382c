"""The cookbook answers thirty questions; test_examples.py compares the answers."""

from __future__ import annotations

import re

from novaql.language import format_expr, parse
from tests.support.repository.documents import blocks
from tests.support.repository.files import ROOT

PAGE = (ROOT / "docs/how-to/cookbook.md").read_text(encoding="utf-8")


def test_each_question_has_a_reason_a_query_and_an_answer() -> None:
    _, *entries = re.split(r"^### ", PAGE, flags=re.MULTILINE)

    assert [entry.split(".")[0] for entry in entries] == [str(n) for n in range(1, 31)]
    for entry in entries:
        title, why, *_ = entry.split("\n\n")
        assert title.endswith("?")
        assert why.endswith("."), title
        query, answer = blocks(entry)
        assert (query.language, answer.language) == ("promql", "output"), title
        assert answer.text.strip(), title


def test_queries_survive_formatting() -> None:
    for block in blocks(PAGE):
        if block.language == "promql":
            assert parse(format_expr(parse(block.text))) == parse(block.text)
