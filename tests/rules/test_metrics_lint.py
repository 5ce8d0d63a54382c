"""The lint of metrics says what promtool says."""

from __future__ import annotations

import random
import subprocess

import pytest

from novaql.errors import InputError
from novaql.rules.metrics_lint import lint_metrics
from tests.support.programs.prometheus_programs import program

TYPES = ["counter", "gauge", "summary", "histogram", "untyped", None]
WORDS = [
    "requests",
    "total",
    "seconds",
    "ms",
    "minutes",
    "kilobytes",
    "bits",
    "bucket",
    "sum",
    "count",
    "gauge",
    "counter",
    "camelCase",
    "info",
    "celsius",
    "kelvins",
    "rankine",
    "megajoules",
    "mibibytes",
    "hours",
    "ns",
    "temperature",
    "b",
    "h",
    "milligrams",
    "yards",
    "ratio",
]
LABELS = ["", '{a="1"}', '{le="1"}', '{quantile="0.5"}', '{camelCase="x"}', '{le="1",quantile="1"}']


def random_page(dice: random.Random, families: int) -> str:
    lines = []
    for number in range(families):
        name = "_".join([f"m{number}", *dice.choices(WORDS, k=dice.randint(0, 3))])
        kind = dice.choice(TYPES)
        if dice.random() < 0.7:
            lines.append(f"# HELP {name} {dice.choice(['what it is', ''])}")
        if kind is not None:
            lines.append(f"# TYPE {name} {kind}")
        tails = {"summary": ["_sum", "_count"], "histogram": ["_sum", "_count"]}
        for tail in tails.get(kind or "", [""]):
            shown = dice.choice(LABELS)
            lines += [f"{name}{tail}{shown} 1"] * (2 if not tail and dice.random() < 0.1 else 1)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(5))
def test_findings_are_promtools(seed: int) -> None:
    page = random_page(random.Random(seed), 300).encode()
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=page, capture_output=True, check=False
    )
    theirs = sorted(set(done.stderr.decode().splitlines()))

    assert [str(finding) for finding in lint_metrics(page)] == theirs
    assert len(theirs) > 100


BAD = [
    "a{ 1\n",
    "a 1 2 3\n",
    "a x\n",
    "a 1\n# TYPE a counter\n",
    "# HELP a x\n# HELP a x\na 1\n",
    "# TYPE a counter\n# TYPE a counter\na 1\n",
    "# TYPE a thing\na 1\n",
    'a{b="c" 1\n',
    "1a 1\n",
    '{a="b"} 1\n',
]


@pytest.mark.parametrize("page", BAD)
def test_pages_that_do_not_parse(page: str) -> None:
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=page.encode(), capture_output=True
    )
    assert done.returncode == 1

    with pytest.raises(InputError, match=r"^text:\d+:\d+: "):
        lint_metrics(page.encode())


def test_nothing_is_wrong() -> None:
    assert lint_metrics(b"") == []
    assert lint_metrics(b"# HELP up Whether it is.\n# TYPE up gauge\nup 1\n") == []


def test_lines_of_a_histogram_are_one_metric() -> None:
    buckets = "".join(f'h_seconds_bucket{{le="{le}"}} 1\n' for le in ("1", "2", "+Inf"))
    page = f"# HELP h_seconds x\n# TYPE h_seconds histogram\n{buckets}h_seconds_sum 1\n"

    assert lint_metrics(page.encode()) == []
