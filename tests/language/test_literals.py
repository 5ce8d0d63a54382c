"""Numbers, strings and durations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.language import parse
from novaql.language.ast import At, DurationLiteral, MatrixSelector, Number, Text, VectorSelector
from novaql.language.durations import format_duration, format_nanoseconds, parse_duration
from novaql.language.durations import parse_seconds as seconds
from novaql.language.literals import format_number, parse_number, unquote
from novaql.span import NOWHERE
from novaql.text.go_text import quote


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 8), ("0_17", 15), ("089", 89), ("0x1F", 31), ("0X_ff_FF", 65535), (".5", 0.5),
        ("5.", 5), ("1e-3", 0.001), ("1_000.5_0e1", 10005), ("9223372036854775808", 2.0**63),
        ("00", 0), ("iNf", math.inf), ("1h", 3600), ("1m30s", 90), ("5ms", 0.005),
        ("123456789012345678901234567890123", 1.2345678901234568e32),
    ],
)  # fmt: skip
def test_number_has_the_value_go_gives_it(text: str, value: float) -> None:
    assert parse(text) == Number(value)


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_printed_numbers_read_back(value: float) -> None:
    assert repr(value) == repr(parse_number(format_number(value), NOWHERE))


@given(st.floats(min_value=1e-6, max_value=1e20))
def test_numbers_of_usual_size_have_no_exponent(value: float) -> None:
    assert "e" not in format_number(value)


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"\a\b\f\n\r\t\v\\\""', '\a\b\f\n\r\t\v\\"'),
        (r"'\''", "'"),
        (r'"\x41\101\u0041\U00000041"', "AAAA"),
        (r'"\xe2\x82\xac"', "€"),
        (r'"\xff"', "\udcff"),
        ("`\\n\n`", "\\n\n"),
        ('"é"', "é"),
    ],
)
def test_string_escapes_are_those_of_go(literal: str, text: str) -> None:
    assert parse(literal) == Text(text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quoted_text_reads_back(text: str) -> None:
    assert text == unquote(quote(text), 0)


@given(st.binary())
def test_quoted_bytes_read_back(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")

    assert text == unquote(quote(text), 0)


@given(st.integers(1, 2**63 // 10**6))
def test_printed_durations_read_back(milliseconds: int) -> None:
    assert milliseconds * 10**6 == parse_duration(format_duration(milliseconds), NOWHERE)


@given(st.integers(1, 2**63 - 1).filter(lambda n: n % 10**6))
def test_printed_fractions_of_a_millisecond_read_back(nanoseconds: int) -> None:
    assert nanoseconds == seconds(format_nanoseconds(nanoseconds), NOWHERE)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0s"), (1, "1ms"), (5400000, "1h30m"), (86400000, "1d"), (129600000, "1d12h"),
        (604800000, "1w"), (691200000, "8d"), (31536000000, "1y"), (31536000001, "365d1ms"),
        (-300000, "-5m"),
    ],
)  # fmt: skip
def test_duration_text(milliseconds: int, text: str) -> None:
    assert text == format_duration(milliseconds)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("m[300]", 300 * 10**9), ("m[.5]", 5 * 10**8), ("m[0x10]", 16 * 10**9), ("m[1e-3]", 10**6),
     ("m[010]", 8 * 10**9)],
)  # fmt: skip
def test_range_in_seconds(text: str, nanoseconds: int) -> None:
    assert parse(text) == MatrixSelector(VectorSelector("m"), DurationLiteral(nanoseconds))


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("m @ 1.5", 1500), ("m @ -0.0005", -1), ("m @ 1h", 3600000), ("m @ +1e3", 1000000)],
)
def test_moment_is_in_milliseconds(text: str, milliseconds: int) -> None:
    assert parse(text) == VectorSelector("m", at=At(milliseconds))
