"""Whatever comes in: a tree or a `QueryError`, never anything else."""

from __future__ import annotations

import os
import random

import pytest

from novaql.errors import QueryError
from novaql.language import format_expr, parse

pytestmark = pytest.mark.slow

_SEEDS = [
    'histogram_quantile(0.9, sum by (le) (rate(m_bucket{job=~"a|b",code!~"5.."}[5m] offset 1h)))',
    "a / on (x) group_left (y) fill_left (1) b == bool 3 and -c ^ 2 @ end()",
    'label_replace(up{"q.d"="v"}, "dst", `$1`, \'src\', "(.*)") # comment\n or vector(0x1F)',
    "max_over_time((a unless b)[1h30m:step() * 2] offset -(1m + 5s) @ 1.5) smoothed",
    'topk by (a,) (5, {__name__="x", b!=""}) > .5e3 atan2 NaN',
    "count_values without () ('v', m[5m] anchored) >/ 1_000",
]
_PIECES = [*'()[]{},:@="\'`\\\n #+-*/%^<>!~.$;|&_0159aems√é\x00\ud800\U0001f600', "sum", "by", "on",
           "5m", "offset", "bool", "fill(", "group_left", "=~", "and", "inf", "1e9", "start()",
           "rate", "step()", "\\x", "0x", "anchored"]  # fmt: skip


def _mutated(source: random.Random) -> str:
    text = source.choice(_SEEDS)
    if source.random() < 0.3:
        return "".join(source.choices(_PIECES, k=source.randrange(1, 12)))
    for _ in range(source.randrange(1, 4)):
        at = source.randrange(len(text) + 1)
        match source.randrange(4):
            case 0:
                text = text[:at] + text[at + source.randrange(1, 6) :]
            case 1:
                text = text[:at] + source.choice(_PIECES) + text[at:]
            case 2:
                text = text[:at]
            case _:
                other = source.choice(_SEEDS)
                text = text[:at] + other[source.randrange(len(other)) :]
    return text


def _check(text: str) -> bool:
    """Whether it parses. Anything but a `QueryError` is a failure."""
    try:
        expr = parse(text)
    except QueryError as refused:
        error = refused
    else:
        assert expr == parse(format_expr(expr))
        return True
    assert 0 <= error.span.start <= len(text)
    assert error.message
    assert error.line >= 1
    return False


def _run(rounds: int, seed: int) -> None:
    source = random.Random(seed)
    parsed = sum(_check(_mutated(source)) for _ in range(rounds))
    # Mutations that never parse, or always, would test little.
    assert 0.02 < parsed / rounds < 0.9


def test_many_mutated_queries_parse_or_are_refused() -> None:
    """NOVAQL_FUZZ_ROUNDS=1000000 tries harder; random bytes come on top, as many again."""
    rounds = int(os.environ.get("NOVAQL_FUZZ_ROUNDS", "200000"))
    _run(rounds, seed=3)
    source = random.Random(7)
    for number in range(rounds):
        encoding = "latin-1" if number % 2 else "utf-8"
        _check(source.randbytes(source.randrange(200)).decode(encoding, "replace"))


def test_random_bytes_parse_or_are_refused() -> None:
    source = random.Random(5)
    for _ in range(2_000):
        _check(source.randbytes(source.randrange(40)).decode("utf-8", "replace"))
        _check(source.randbytes(source.randrange(40)).decode("latin-1"))
