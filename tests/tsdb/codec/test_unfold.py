"""Many pages in one call are what they are one by one."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.tsdb.codec.decimal import POWERS
from novaql.tsdb.codec.numba.compiled import MARGIN, NANS, OTHER, PAGES, PLAIN
from novaql.tsdb.codec.pages import decode_times, encode_times, encode_values
from novaql.tsdb.codec.row_heads import TYPES, read_heads
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import STALE, Floats, is_stale
from novaql.tsdb.runtime.compiled import Mode
from tests.tsdb.codec.test_pages import bits, counters, rows

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="numba is an extra")


@pytest.fixture(autouse=True, scope="module")
def compiled_code() -> Iterator[None]:
    with PAGES.forced(Mode.ON):
        yield


def is_left_to_pcodec(page: bytes, count: int) -> bool:
    """Whether something in a page of rows is what `pco` does not decode."""
    from tests.support.store.pco_files import decoded  # noqa: PLC0415 - it needs numba

    heads = read_heads(page, 1, count)
    if b"pco!" in page[: heads.source.at]:  # a list
        return True
    ends = np.append(0, heads.written.cumsum())
    row = 0
    for group in heads.groups:
        size = int(ends[row + group.rows] - ends[row])
        row += group.rows
        kind = np.dtype(TYPES[group.kind]).name
        if decoded(heads.source.bytes(group.bytes), kind, size) is None:
            return True
    return False


def unfolded(
    pages: list[bytes], counts: list[int], pieces: list[tuple[int, int, int]]
) -> tuple[Floats, Ints, Ints]:
    """pieces: (page, start, size), by page. The values, bounds of the pages' ones, states."""
    made = PAGES.ready(1 << 40)
    assert made is not None
    of, starts, sizes = (np.array(column, np.int64) for column in zip(*pieces, strict=True))
    out = np.full(int(sizes.sum()), 0.5)
    bounds = of.searchsorted(np.arange(len(pages) + 1))
    states, markers = np.empty(len(pages), np.int64), np.zeros(len(out) + 1, np.int64)
    ends = np.cumsum([len(page) for page in pages])
    made.unfold(
        np.frombuffer(b"".join(pages) + bytes(MARGIN), np.uint8),
        np.stack([np.append(0, ends[:-1]), ends, counts, bounds[:-1], bounds[1:]], axis=1).copy(),
        np.cumsum(sizes) - sizes, starts, sizes, POWERS,
        np.empty(max(counts) + 1024, np.int64), out, states, markers,
    )  # fmt: skip
    edges = np.append(0, np.cumsum(sizes))[bounds]
    done = np.repeat(states != OTHER, np.diff(edges))
    noted = markers[1 : 1 + markers[0]]
    assert np.sort(noted).tolist() == np.flatnonzero(is_stale(out) & done).tolist()
    return out, edges, states


@given(st.lists(st.lists(rows, min_size=1, max_size=12), min_size=1, max_size=4), st.data())
def test_any_pieces_of_any_pages(found: list[list[list[float]]], data: st.DataObject) -> None:
    values = [np.array([value for row in page for value in row]) for page in found]
    pages = [
        encode_values(
            numbers,
            np.array([len(row) for row in page]),
            np.array(data.draw(st.lists(st.booleans(), min_size=len(page), max_size=len(page)))),
            level=data.draw(st.sampled_from([4, 8])),
        )
        for numbers, page in zip(values, found, strict=True)
    ]
    pieces = []
    for page, numbers in enumerate(values):
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(numbers) - 1))
            pieces.append((page, start, data.draw(st.integers(0, len(numbers) - start))))
    out, bounds, states = unfolded(pages, [len(numbers) for numbers in values], pieces)
    for page, numbers in enumerate(values):
        if pages[page][0] != 1 or states[page] == OTHER:
            assert pages[page][0] != 1 or is_left_to_pcodec(pages[page], len(numbers))
            assert states[page] == OTHER
            continue
        wanted = np.concatenate([numbers[a : a + n] for p, a, n in pieces if p == page])
        assert bits(out[bounds[page] : bounds[page + 1]]) == bits(wanted)
        assert states[page] == (NANS if np.isnan(wanted).any() else PLAIN)


def test_a_page_that_is_not_understood_is_left() -> None:
    values = counters([5.0, 80.0], 300).ravel()
    values[9] = STALE
    page = encode_values(values, np.array([300, 300]), np.zeros(2, np.bool_), level=8)
    assert page[0] == 1
    torn = page[:-40]
    out, bounds, states = unfolded(
        [page, torn, b"", b"\7" * 90, page], [600] * 5, [(n, 0, 600) for n in range(5)]
    )
    assert states.tolist() == [NANS, OTHER, OTHER, OTHER, NANS]
    for number in (0, 4):
        assert bits(out[bounds[number] : bounds[number + 1]]) == bits(values)


@given(st.data())
def test_no_changed_byte_breaks_it(data: st.DataObject) -> None:
    matrix = counters([0.1, 5.0, 5.0, 900.0], 300)
    matrix[1, 7] = STALE
    page = bytearray(encode_values(matrix.ravel(), np.full(4, 300), np.arange(4) > 1, level=4))
    for _ in range(data.draw(st.integers(1, 3))):
        page[data.draw(st.integers(0, len(page) - 1))] = data.draw(st.integers(0, 255))
    unfolded([bytes(page)], [1200], [(0, 0, 1200)])


gaps = st.sampled_from(["even", "late", "wide", "odd"])


@given(st.lists(st.tuples(gaps, st.integers(1, 400)), min_size=1, max_size=5), st.integers(0, 99))
def test_times(shapes: list[tuple[str, int]], seed: int) -> None:
    made = PAGES.ready(1 << 40)
    assert made is not None
    rng = np.random.default_rng(seed)
    lines = []
    for shape, size in shapes:
        steps = np.full(size, 15_000)
        if shape != "even":
            steps += rng.integers(0, {"late": 9, "wide": 1 << 40, "odd": 9000}[shape], size)
        lines.append(1_700_000_000_000 + steps.cumsum())
    lengths = np.array([len(line) for line in lines])
    times = np.concatenate(lines)
    page = encode_times(times, lengths, 4)
    assert (decode_times(page, len(times)) == times).all()
    begin = int(rng.integers(0, len(times)))
    out, states = np.zeros(len(times) - begin, np.int64), np.empty(2, np.int64)
    size, count = len(page), len(times)
    made.unfold_times(
        np.frombuffer(page + page[:-1] + bytes(MARGIN), np.uint8),
        np.array([[0, size, count, 0, 1], [size, 2 * size - 1, count, 1, 1]]),
        np.zeros(1, np.int64), np.array([begin]), np.array([len(times) - begin]),
        np.empty(2 * len(times), np.int64), out, states,
    )  # fmt: skip
    assert states[1] == OTHER
    # How far times are from an even step is a file of pcodec, which chooses its format.
    if all(shape == "even" for shape, _ in shapes):
        assert states[0] == PLAIN
    assert states[0] == OTHER or (out == times[begin:]).all()


@pytest.mark.parametrize("jitter", [1, 9, 9000])
def test_times_of_usual_scrapes_are_understood(jitter: int) -> None:
    made = PAGES.ready(1 << 40)
    assert made is not None
    steps = 15_000 + np.random.default_rng(jitter).integers(0, jitter, (5, 400))
    times = (1_700_000_000_000 + steps.cumsum(axis=1)).ravel()
    page = encode_times(times, np.full(5, 400), 4)
    out, states = np.zeros(len(times), np.int64), np.empty(1, np.int64)
    made.unfold_times(
        np.frombuffer(page + bytes(MARGIN), np.uint8),
        np.array([[0, len(page), len(times), 0, 1]]),
        np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([len(times)]),
        np.empty(2 * len(times), np.int64), out, states,
    )  # fmt: skip
    assert states.tolist() == [PLAIN]
    assert (out == times).all()
