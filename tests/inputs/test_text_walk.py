"""Prometheus text by the compiled walk against the way without it: the same batch, or refusal."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError
from novaql.inputs.exposition import ExpositionParser
from novaql.inputs.label_limits import NO_LIMITS, LabelLimits
from novaql.inputs.wire import compiling
from tests.support.batches import Plain, plain
from tests.support.fuzzing import EXAMPLES

pytest.importorskip("numba", reason="the walk is compiled by numba: pip install 'novaql[fast]'")

NOW = 1_700_000_000_000
QUICK = settings(max_examples=EXAMPLES, deadline=None)
Answer = tuple[Plain, dict[str, object], int] | str

NAMES = st.sampled_from(["up", "a:b", "x_total", "ns", "\x01", "ünï", ""])
VALUES = st.sampled_from(["a", "", "sp ace", "}", "{", "#", "ü", '\\"', "\\\\", "\\n", ","])
NUMBERS = (
    st.floats().map(repr)
    | st.floats(width=32).map(lambda number: f"{number:g}")
    | st.integers(-(10**20), 10**20).map(str)
    | st.from_regex(r"[-+]?[0-9]{0,20}\.?[0-9]{0,20}([eE][-+]?[0-9]{0,4})?", fullmatch=True)
    | st.sampled_from(
        ["NaN", "+Inf", "-Inf", "inf", "nan", "1_0", "0x10", "0x1p3", "-0", "1e", "."]
    )
)
SPACES = st.sampled_from([" ", "  ", "\t", " \t ", "", "\v"])


@st.composite
def lines(draw: st.DrawFn) -> str:
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(
            st.sampled_from(
                [
                    "# TYPE up gauge",
                    "# HELP up what it is",
                    "# free words",
                    "",
                    "   ",
                    "# TYPE up",
                    "#",
                ]
            )
        )
    if kind == 1:
        return draw(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=12))
    labels = draw(st.lists(st.tuples(st.sampled_from(["job", "le", "é"]), VALUES), max_size=2))
    inside = ",".join(f'{name}="{value}"' for name, value in labels)
    braces = f"{{{inside}}}" if labels else draw(st.sampled_from(["", "{}"]))
    series = draw(NAMES) + braces
    time = draw(st.none() | st.integers(-(10**19), 10**19) | st.integers(NOW, NOW + 9))
    end = "" if time is None else f"{draw(SPACES)}{time}"
    return f"{series}{draw(SPACES)}{draw(NUMBERS)}{end}{draw(SPACES)}"


def answer(parser: ExpositionParser, block: bytes) -> Answer:
    parser.start(NOW, openmetrics=False)
    try:
        batch = parser.feed(block)
        parser.finish()
    except InputError as problem:
        return str(problem)
    return plain(batch), dict(parser.metadata), parser._lines_before


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    compiling.prepare()
    assert compiling.ready() is not None


def parsers(limits: LabelLimits | None = None) -> tuple[ExpositionParser, ExpositionParser]:
    """With the walk, and without."""
    walking, plain_way = (
        ExpositionParser(openmetrics=False, default_time_ms=NOW, limits=limits or NO_LIMITS)
        for _ in range(2)
    )
    plain_way._walked = lambda block: None  # type: ignore[method-assign]
    return walking, plain_way


@QUICK
@given(blocks=st.lists(st.lists(lines(), max_size=6), min_size=1, max_size=4))
def test_blocks_of_lines_mean_the_same(blocks: list[list[str]]) -> None:
    walking, plain_way = parsers()
    for block in [*blocks, *blocks]:  # the second time every series is known
        body = "".join(f"{line}\n" for line in block).encode()
        assert answer(walking, body) == answer(plain_way, body)


@QUICK
@given(data=st.data())
def test_damaged_blocks_mean_the_same(data: st.DataObject) -> None:
    usual = b'up{job="a"} 1 1700000000000\nx_total 2.5\n# TYPE up gauge\nup{job="b"} -3e4 17\n'
    walking, plain_way = parsers()
    assert answer(walking, usual) == answer(plain_way, usual)
    damaged = bytearray(usual)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"{", b"}", b'"', b" ", b"\n", b"#", b"e"])
        )
    body = bytes(damaged) + b"\n"
    assert answer(walking, body) == answer(plain_way, body)


def test_numbers_are_read_to_the_last_bit() -> None:
    rng = np.random.default_rng(11)
    texts = [repr(x) for x in rng.integers(0, 2**64, 20_000, np.uint64).view(np.float64).tolist()]
    wholes = rng.integers(0, 2**60, 5000).tolist()
    parts = rng.integers(-30, 30, 5000).tolist()
    texts += [f"{m}e{e}" for m, e in zip(wholes, parts, strict=True)]
    texts += [f"{m % 10**9}.{m // 10**9}" for m in wholes]
    texts += ["9007199254740992", "9007199254740993", "-0", "0.1e-22", "1e22", "1e23", "00012.5000"]
    walking, _ = parsers()
    block = "".join(f"m {text} {at}\n" for at, text in enumerate(texts)).encode()
    batch = walking.feed(block)
    for text, value in zip(texts, batch.values.tolist(), strict=True):
        wanted = float(text)
        assert struct.pack("<d", value) == struct.pack("<d", wanted) or (
            math.isnan(value) and math.isnan(wanted)
        ), text


def test_series_beyond_the_limits_are_refused_alike() -> None:
    walking, plain_way = parsers(LabelLimits(labels=2, name_bytes=8, value_bytes=8, series=3))
    for block in (b'm{a="1",b="2",c="3"} 1\n', b'm{a="123456789"} 1\n', b"m 1\n"):
        assert answer(walking, block) == answer(plain_way, block)


def test_the_walk_is_taken() -> None:
    walking, _ = parsers()
    block = b'# TYPE up gauge\nup{job="a"} 1 5\nup{job="b"} NaN\n'
    first, second = walking._walked(block), walking._walked(block)
    assert first is not None
    assert second is not None
    assert first.series is second.series
    assert walking.metadata["up"].type == "gauge"
