"""Exposed text by the compiled walk against the way without it: the same batch, or refusal."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.label_limits import NO_LIMITS, LabelLimits
from novaql.inputs.text.exposition import ExpositionParser
from tests.support.generators.fuzzing import EXAMPLES
from tests.support.store.batches import Plain, plain

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
        ["NaN", "+Inf", "-Inf", "inf", "nan", "1_0", "0x10", "0x1p3", "-0", "1e", ".", "1e400"]
    )
)
SPACES = st.sampled_from([" ", "  ", "\t", " \t ", "", "\v"])
EXEMPLARS = st.sampled_from(
    [
        ' # {trace_id="a"} 1',
        ' # {a="b",c="d"} 0.5 1700000000.5',
        " # {} 1",
        '# {a="b"} 1',
        ' # {a="b"}  1',
        ' # {a="b"}',
        ' # {a="b"} x',
        ' # {a="}"} 1',
        ' # {a="b"} 1 2 3',
        " #",
        " # {",
    ]
)


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
    time = draw(
        st.none()
        | st.integers(-(10**19), 10**19).map(str)
        | st.integers(NOW, NOW + 9).map(str)
        | st.integers(NOW, NOW + 10**6).map(lambda ms: f"{ms / 1000}")
        | st.sampled_from(["1.7e9", "1.5000004e+09", "4503599627370496", "-0.0005", "NaN", "+Inf"])
    )
    end = "" if time is None else f"{draw(SPACES)}{time}"
    exemplar = draw(st.just("") | EXEMPLARS)
    return f"{series}{draw(SPACES)}{draw(NUMBERS)}{end}{exemplar}{draw(SPACES)}"


def answer(parser: ExpositionParser, block: bytes) -> Answer:
    parser.start(NOW, openmetrics=parser._text.openmetrics)
    try:
        batch = parser.feed(block)
        parser.finish()
    except InputError as problem:
        return str(problem)
    return plain(batch), dict(parser.metadata), parser._text.lines_before + (parser.exemplars << 32)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    WALKS.prepare()
    assert WALKS.ready() is not None


def parsers(
    limits: LabelLimits | None = None, *, openmetrics: bool = False
) -> tuple[ExpositionParser, ExpositionParser]:
    """With the walk, and without."""
    walking, plain_way = (
        ExpositionParser(openmetrics=openmetrics, default_time_ms=NOW, limits=limits or NO_LIMITS)
        for _ in range(2)
    )
    plain_way._walked = lambda block: None  # type: ignore[method-assign]
    return walking, plain_way


@pytest.mark.slow
@QUICK
@given(
    blocks=st.lists(st.lists(lines(), max_size=6), min_size=1, max_size=4),
    openmetrics=st.booleans(),
    end=st.sampled_from(["# EOF\n", "# EOF\n", "", "# EOF\nup 1\n"]),
)
def test_blocks_of_lines_mean_the_same(
    blocks: list[list[str]], openmetrics: bool, end: str
) -> None:
    walking, plain_way = parsers(openmetrics=openmetrics)
    for block in [*blocks, *blocks]:  # the second time every series is known
        body = ("".join(f"{line}\n" for line in block) + end).encode()
        assert answer(walking, body) == answer(plain_way, body)


@QUICK
@given(data=st.data())
def test_damaged_blocks_mean_the_same(data: st.DataObject) -> None:
    openmetrics = data.draw(st.booleans())
    usual = b'up{job="a"} 1 1700000000000\nx_total 2.5\n# TYPE up gauge\nup{job="b"} -3e4 17\n'
    if openmetrics:
        usual = usual.replace(b"0000\n", b".25\n").replace(b"17\n", b'17 # {a="b"} 1 2.5\n')
        usual += b"# EOF\n"
    walking, plain_way = parsers(openmetrics=openmetrics)
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


def test_openmetrics_is_walked_with_its_exemplars() -> None:
    walking, _ = parsers(openmetrics=True)
    block = b'# TYPE a counter\na_total 1 1700000000.25 # {id="x"} 1 1.5\na_total 2 1.7e9\n'
    batch = walking._walked(block + b"# EOF\n")
    assert batch is not None
    assert batch.timestamps.tolist() == [1_700_000_000_250, NOW]
    assert walking.exemplars == 1
    walking.finish()
    assert walking._walked(block) is None  # what follows the end is refused by the other way


def test_times_in_seconds_are_read_to_the_millisecond() -> None:
    rng = np.random.default_rng(12)
    texts = [f"{ms / 1000}" for ms in rng.integers(0, 2 * NOW, 20_000).tolist()]
    texts += [repr(s) for s in rng.uniform(-2e9, 2e9, 5000).tolist()]
    block = "".join(f"m 1 {text}\n" for text in texts).encode()
    walking, plain_way = parsers(openmetrics=True)
    batch, other = walking.feed(block), plain_way.feed(block)
    assert batch.timestamps.tolist() == other.timestamps.tolist()
