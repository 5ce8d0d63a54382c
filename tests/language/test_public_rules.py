"""Rule files of public projects: each query is PromQL, with extensions on and off."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from novaql.language import format_expr, parse, parse_core

FOLDER = Path(__file__).parent / "public_rules"
PROJECTS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def queries_of(project: str) -> list[str]:
    files = [path for path in (FOLDER / project).iterdir() if path.name != "NOTICE"]
    return [
        str(rule["expr"])
        for file in sorted(files)
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


@pytest.mark.parametrize("project", PROJECTS)
def test_tree_is_the_same_with_extensions_on_and_off(project: str) -> None:
    for query in queries_of(project):
        tree = parse(query, strict_promql=True)

        assert tree == parse(query)
        assert parse_core(query) is parse(query), query
        assert tree == parse(format_expr(tree, style="pipes"))
        assert tree == parse(format_expr(tree, width=60), strict_promql=True)


def test_corpus_is_of_several_projects() -> None:
    assert len(PROJECTS) >= 5
    assert sum(len(queries_of(project)) for project in PROJECTS) > 400
    table = (FOLDER / "README.md").read_text()
    assert all(f"| `{project}` |" in table for project in PROJECTS)
