"""What a real Prometheus accepts parses here, and to the same tree."""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from novaql.language import FUNCTIONS, format_expr, parse
from novaql.language.ast import At, Binary, DurationLiteral, Expr, Subquery, VectorSelector
from novaql.language.signatures import Origin
from novaql.language.visit import walk
from tests.support.generators.expressions import Vocabulary, well_typed_expressions
from tests.support.generators.rewriting import rewrite

PROMETHEUS = shutil.which("prometheus")
pytestmark = pytest.mark.skipif(
    PROMETHEUS is None, reason="needs the program prometheus (Debian: apt install prometheus)"
)
# Neither in Prometheus 2.53, the oldest release these tests hold for.
_LATER = {
    "double_exponential_smoothing", "end", "first_over_time", "histogram_quantiles", "info",
    "max_of", "min_of", "range", "start", "start_timestamp", "step",
}  # fmt: skip
CLASSIC = Vocabulary(
    metrics=["a", "b_total", "sum", "start", "ns:rate5m", "by", "median", "topk_max"],
    labels=["job", "le", "by"],
    functions=[
        name
        for name, row in FUNCTIONS.items()
        if row.origin is Origin.PROMQL and name not in _LATER and not name.startswith("ts_of")
    ],
    aggregators=["sum", "avg", "min", "count", "group", "stddev", "quantile", "topk",
                 "count_values"],
    extensions=False,
)  # fmt: skip


class Formatter:
    """`/api/v1/format_query` of a running Prometheus."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __call__(self, text: str) -> str | None:
        """Its text of a query; None if it refuses it."""
        body = urllib.parse.urlencode({"query": text}).encode()
        url = f"http://{self._address}/api/v1/format_query"
        try:
            with urllib.request.urlopen(url, body, timeout=10) as answer:
                return str(json.load(answer)["data"])
        except urllib.error.HTTPError as refused:
            if refused.code != 400:
                raise
            return None


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formatter]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    (folder / "empty.yml").write_text("{}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    assert PROMETHEUS is not None
    running = subprocess.Popen(
        [
            PROMETHEUS,
            f"--config.file={folder / 'empty.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--enable-feature=promql-experimental-functions",
            "--log.level=error",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(address)
        yield Formatter(address)
    finally:
        running.terminate()
        running.wait(10)


def _wait_until_ready(address: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://{address}/-/ready", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("prometheus did not become ready within 10 s")


def _is_classic(expr: Expr) -> bool:
    """Whether Prometheus 2.53 has all that the tree uses."""
    for node in walk(expr):
        match node:
            case VectorSelector() if node.anchored or node.smoothed:
                return False
            case VectorSelector(at=At(when=int(ms))) | Subquery(at=At(when=int(ms))) if (
                abs(ms) > 2**50  # a float there, which cannot hold every millisecond
            ):
                return False
            case Binary(op=("</" | ">/")):
                return False
            case Binary(matching=m) if m.fill_left is not None or m.fill_right is not None:
                return False
            case Binary(matching=m) if m.on and set(m.labels) & set(m.include):
                return False
            case _:
                pass
        durations = [getattr(node, name, None) for name in ("range", "offset")]
        if isinstance(node, Subquery):
            durations.append(node.step)
        for duration in durations:
            if duration is None:
                continue
            # Below a millisecond and beyond its calendar, 2.53 prints durations that it refuses;
            # it also refuses the duration 0, which later releases take as an offset.
            if not isinstance(duration, DurationLiteral) or duration.nanoseconds % 1_000_000:
                return False
            if duration.nanoseconds == 0:
                return False
    return True


def _sorted(expr: Expr) -> Expr:
    """With matchers in one order: which one Prometheus prints them in depends on its release."""

    def by_label(node: Expr) -> Expr:
        if not isinstance(node, VectorSelector):
            return node
        return replace(node, matchers=tuple(sorted(node.matchers)))

    return rewrite(expr, by_label)


@pytest.mark.slow
@given(expr=well_typed_expressions(vocabulary=CLASSIC).filter(_is_classic))
@settings(deadline=None)
def test_prometheus_reads_our_text_as_we_do(prometheus: Formatter, expr: Expr) -> None:
    text = format_expr(expr)
    theirs = prometheus(text)

    assert theirs is not None, text
    assert _sorted(parse(text)) == _sorted(parse(theirs))


_SEEDS = [
    'histogram_quantile(0.9, sum by (le) (rate(m_bucket{job=~"a|b",code!~"5.."}[5m] offset 1h)))',
    "a / on (x) group_left (y) b == bool 3 and -c ^ 2 - d",
    'label_replace(up{q="v"}, "dst", `$1`, \'src\', "(.*)") # comment\n or vector(0x1F)',
    "max_over_time((a unless b)[1h30m:1m] @ 1.5 offset -5m) or e @ end()",
    'topk by (a,) (5, {__name__="x", b!=""}) > .5e3 atan2 NaN',
    "count_values without () ('v', sum offset 1d) * Inf % -on",
]
_PIECES = [
    *"()[]{},@=\"'`\\ #+-*/%^<>!~.059am",
    "sum",
    "any",
    "share",
    "by",
    "on",
    "5m",
    "offset",
    "bool",
    "and",
    "start()",
    "inf",
    "1e9",
    "rate",
    "group_left",
    "ignoring ()",
    "without",
    "a",
    "b",
]


def _mutated(source: random.Random) -> str:
    text = source.choice(_SEEDS)
    for _ in range(source.randrange(1, 3)):
        at = source.randrange(len(text) + 1)
        cut = source.choice([0, 0, 1, 2, 4])
        text = text[:at] + source.choice([*_PIECES, "", ""]) + text[at + cut :]
    return text


@pytest.mark.slow
def test_what_prometheus_accepts_parses_to_the_same_tree(prometheus: Formatter) -> None:
    source = random.Random(11)
    accepted = 0
    for _ in range(1500):
        text = _mutated(source)
        theirs = prometheus(text)
        if theirs is None:
            continue
        accepted += 1
        assert _sorted(parse(text)) == _sorted(parse(theirs)), text
    assert accepted > 100
