"""Texts of Influx line protocol that have line breaks: their fields, and the lines around them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import novaql
from novaql.inputs.text.influx_texts import LONGEST, joined_texts

BEFORE, AFTER = b"m v=1 1\n", b"m v=9 9\n"


def joined(block: bytes) -> bytes:
    """The lines between two others, which must not change."""
    whole = b"".join(joined_texts([BEFORE + block + AFTER]))
    assert whole.startswith(BEFORE)
    assert whole.endswith(AFTER)
    assert whole.count(b"\n") == block.count(b"\n") + 2
    return whole[len(BEFORE) : -len(AFTER)]


@pytest.mark.parametrize(
    ("block", "line"),
    [
        (b'm s="a\nb",v=2 2\n', b'm s="a b",v=2 2\n\n'),
        (b'm,t=a\\ b v=1,s="a\n\n" 2\n', b'm,t=a\\ b v=1,s="a  " 2\n\n\n'),
        (b'm s="a\nn v=5 5\n",v=2 2\n', b'm s="a n v=5 5 ",v=2 2\n\n\n'),
        (b'm s="\\"\\\\\n\\\n",r="\n" 2\n', b'm s="\\"\\\\ \\ ",r=" " 2\n\n\n\n'),
        (b'm,q="a s="b\nc" 2\n', b'm,q="a s="b c" 2\n\n'),
        (b'm s="a\r\nb" 2\r\n', b'm s="a\r b" 2\r\n\n'),
    ],
)
def test_a_point_is_in_one_line(block: bytes, line: bytes) -> None:
    assert joined(block) == line


@pytest.mark.parametrize(
    "block",
    [
        b'm s="a",v=1 2\n',
        b'm,t="a v=1 2\nm s="x" 3\n',  # quotes of a tag are no text
        b'# m s="a\nm s="x" 3\n',
        b'm s="open\nm v=2 2\n',
        b'm s="open\nm s="x",v=3 3\n',
        b'm s="open\nm v=2 2\n"x\n',
        b'="a\n"\n\\\n \n',
        b'm s="' + b"a\n" * (LONGEST // 2) + b'" 2\n',
    ],
)
def test_other_lines_do_not_change(block: bytes) -> None:
    assert joined(block) == block


BLOCK = b'm s="a\nb",v=2 2\nm s="open\nm v=3 3\nm s="\n\n",v=4 4\n'


@given(st.sets(st.integers(0, BLOCK.count(b"\n"))))
def test_blocks_may_end_inside_a_text(cuts: set[int]) -> None:
    lines = BLOCK.splitlines(keepends=True)
    places = [0, *sorted(cuts), len(lines)]
    blocks = [b"".join(lines[a:b]) for a, b in pairwise(places)]
    assert b"".join(joined_texts(blocks)) == b"".join(joined_texts([BLOCK]))


def test_points_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log.influx"
    path.write_bytes(
        b'log text="failed\nlog code=7 5\n",code=1 2000000000\nlog code=2 3000000000\n'
    )
    result = novaql.query("log_code[1h]", str(path), time=10)
    assert [series.values.tolist() for series in result] == [[1.0, 2.0]]
    path.write_bytes(b'log text="a\nb",code=1 2\nlog code=x 3\n')
    with pytest.raises(novaql.InputError, match=r"log\.influx:3: "):
        novaql.query("log_code", str(path))


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "line", [b'm s="\n', b'm s="x\n', b'm s="\\\n', b'm a="b",s="\n x', b'm s="\n",t="\n']
)
def test_hostile_lines(line: bytes) -> None:
    lines = line * (1 << 18)
    assert b"".join(joined_texts([lines])).count(b"\n") == lines.count(b"\n")
