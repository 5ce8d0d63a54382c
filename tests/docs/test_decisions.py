"""The index of `docs/decisions` has a row for each decision."""

from __future__ import annotations

import re

from tests.docs.test_links import anchors
from tests.support.repository.files import ROOT

PAGE = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (\d+) \| \d{4}-\d\d-\d\d \| \[(.*)\]\(#([^)]*)\)(?: \(withdrawn\))? \|$", re.MULTILINE
)
HEADING = re.compile(r"^## (\d+)\. (.*)$", re.MULTILINE)


def test_the_index_has_each_decision_in_order() -> None:
    rows = ROW.findall(PAGE)

    assert [(number, title) for number, title, _ in rows] == HEADING.findall(PAGE)
    assert [int(number) for number, _, _ in rows] == list(range(1, len(rows) + 1))
    assert {anchor for _, _, anchor in rows} <= anchors(PAGE)
