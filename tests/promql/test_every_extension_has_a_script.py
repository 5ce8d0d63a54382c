"""Each extension of the language, and each function that PromQL lacks, has evals with values worked
out by hand."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from novaql.errors import QueryError
from novaql.language import function_entries, parse
from novaql.language.signatures import Origin
from novaql.promqltest.script import Eval
from novaql.promqltest.script_parser import read_script

HERE = Path(__file__).parent
PAGE = HERE.resolve().parents[2] / "shared" / "LANGUAGE.md"

# The row of LANGUAGE.md → its script, and what its evals contain.
EXTENSIONS = {
    "pipes": ("pipes", r"\|>"),
    "let": ("let", r"\blet\b|\bWITH\b"),
    "automatic window": ("automatic_windows", r"_total\)|\[auto\]"),
    "lifting to samples": ("lifting", r"\[\d+[smhi]\][^)]*[-+*/%^!=<>]|\((abs|clamp\w*)\(.*\["),
    "rollup of anything": ("automatic_windows", r"_over_time\((sum|\()|rate\(sum"),
    "joins on other names": ("joins", r"on ?\([^)]*=|group_(left|right) ?\(\*\)"),
    "default, if, ifnot": ("default_and_if", r"\b(default|if|ifnot)\b"),
    "or in selectors": ("selectors_with_or", r"\{.*\bor\b.*\}"),
    "membership": ("membership_and_numbers", r"[!=]= ?\("),
    "numbers": ("membership_and_numbers", r"\d(Ki|Mi|Gi|K|M|G)B?\b"),
    "at and offset anywhere": ("shifts", r"\) ?(offset|@)"),
    "keep names": ("names_and_limits", "keep_metric_names"),
    "limit": ("names_and_limits", r"\blimit \d"),
    "union": ("union", r"\bunion\(|^\("),
    "whole-range selection": ("aggregates", r"\b(topk|bottomk)_(min|max|avg|median|last)\b"),
    "time zones": ("time_zones", r'"[A-Z]\w+/\w+"'),
    "SLO": ("objectives_and_seasons", r"\b(burn_rate|error_budget_remaining)\("),
    "forecast, anomaly": ("objectives_and_seasons", r"\b(seasonal_baseline|correlation)\("),
}
FUNCTIONS = "functions"
"""The row that the registry completes: `test_every_function_beyond_promql`."""


@cache
def queries() -> dict[str, list[str]]:
    """The texts of evals by the stem of their script, without Prometheus's own."""
    scripts = sorted(HERE.glob("**/*.test"))
    found: dict[str, list[str]] = {}
    for path in scripts:
        evals = [one for one in read_script(path).commands if isinstance(one, Eval)]
        found.setdefault(path.stem, []).extend(one.query for one in evals)
    return found


def _is_promql(query: str) -> bool:
    try:
        parse(query, strict_promql=True)
    except QueryError:
        return False
    return True


@pytest.mark.parametrize("name", EXTENSIONS)
def test_every_extension(name: str) -> None:
    script, pattern = EXTENSIONS[name]

    uses = [query for query in queries()[script] if re.search(pattern, query)]

    assert len([query for query in uses if not _is_promql(query)]) >= 2


@pytest.mark.skipif(not PAGE.is_file(), reason="needs shared/LANGUAGE.md beside the checkout")
def test_the_list_is_complete() -> None:
    table = PAGE.read_text().partition("## Extensions")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)

    assert {*rows} - {"extension", "---"} == {*EXTENSIONS, FUNCTIONS}


def test_every_function_beyond_promql() -> None:
    words = {
        word
        for several in queries().values()
        for query in several
        for word in re.findall(r"\w+(?= *(?:\(|by\b|without\b))", query)
    }
    beyond = {one.name for one in function_entries() if one.origin is not Origin.PROMQL}

    assert len(beyond) > 100
    assert sorted(beyond - words) == []
