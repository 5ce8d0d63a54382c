"""Which blocks are merged, and which go."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import given

from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.compaction.policy import (
    FACTOR,
    closure,
    expired,
    next_group,
    to_downsample,
    widths,
)

HOUR = 3_600_000
BLOCK = 2 * HOUR


def block(
    sequence: int, first_h: float, last_h: float, samples: int = 1000, level: int = 0
) -> BlockEntry:
    return BlockEntry(
        name=f"{sequence}.block",
        identity="00",
        sequence=sequence,
        first_ms=round(first_h * HOUR),
        last_ms=round(last_h * HOUR) - 1,
        series=1,
        samples=samples,
        bytes=samples,
        level=level,
    )


def names(entries: object) -> list[int]:
    assert isinstance(entries, (list, tuple))
    return [entry.sequence for entry in entries]


blocks = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12), st.integers(1, 5000), st.integers(0, 2)),
    max_size=14,
).map(
    lambda found: [
        block(n, first, first + length, samples, level)
        for n, (first, length, samples, level) in enumerate(found, start=1)
    ]
)


def test_widths_are_multiples() -> None:
    assert widths(BLOCK, 20 * HOUR) == [BLOCK, 3 * BLOCK, 9 * BLOCK]
    assert widths(BLOCK, HOUR) == [BLOCK]


def test_a_full_range_is_merged_and_one_that_goes_on_is_not() -> None:
    full = [block(1, 0, 2), block(2, 2, 4), block(3, 4, 6)]
    group = next_group([*full, block(4, 6, 8)], BLOCK, 18 * HOUR)
    assert group is not None
    assert names(group) == [1, 2, 3]
    assert next_group(full[:2], BLOCK, 18 * HOUR) is None


def test_everything_is_merged_when_asked_for() -> None:
    group = next_group([block(1, 0, 2), block(2, 2, 4)], BLOCK, 18 * HOUR, everything=True)
    assert group is not None
    assert names(group) == [1, 2]
    single = next_group([block(1, 0, 2)], BLOCK, 18 * HOUR, everything=True)
    assert single is not None
    assert names(single) == [1]
    assert next_group([block(1, 0, 2, level=1)], BLOCK, 18 * HOUR, everything=True) is None


def test_a_few_late_samples_do_not_rewrite_a_large_block() -> None:
    large = block(1, 0, 18, samples=1_000_000, level=2)
    assert next_group([large, block(2, 3, 4, samples=10, level=1)], BLOCK, 18 * HOUR) is None
    many = [block(n, 3, 4, samples=10) for n in range(2, 8)]
    group = next_group([large, *many], BLOCK, 18 * HOUR)
    assert group is not None
    assert names(group) == [1, 2, 3, 4, 5, 6, 7]
    group = next_group([large, block(2, 3, 4, samples=200_000)], BLOCK, 18 * HOUR)
    assert group is not None
    assert names(group) == [1, 2]


def test_a_block_as_flushed_is_packed_when_time_has_passed() -> None:
    wide = block(1, 0, 18)
    assert next_group([wide, block(2, 18, 20, level=1)], BLOCK, 18 * HOUR) is None
    group = next_group([wide, block(2, 30, 32, level=1)], BLOCK, 18 * HOUR)
    assert group is not None
    assert names(group) == [1]


def test_a_group_takes_in_what_came_in_between() -> None:
    first, between, last = block(1, 0, 2), block(2, 1, 5), block(3, 4, 6)
    aside = block(4, 0, 6)
    assert names(closure([first, last], [first, between, last, aside])) == [1, 2, 3]


@given(blocks, st.booleans())
def test_merging_ends_and_never_changes_which_sample_stands(
    entries: list[BlockEntry], everything: bool
) -> None:
    """Blocks are kept as their sequences; each merge must leave the order of overlapping ones."""
    rounds = 0
    while (group := next_group(entries, BLOCK, 54 * HOUR, everything=everything)) is not None:
        rounds += 1
        assert rounds <= 40
        low, high = group[0].sequence, group[-1].sequence
        inside = {entry.name for entry in group}
        for entry in entries:
            if entry.name not in inside and low < entry.sequence < high:
                assert all(
                    entry.last_ms < member.first_ms or member.last_ms < entry.first_ms
                    for member in group
                )
        merged = BlockEntry(
            name=f"merged-{rounds}",
            identity="00",
            sequence=high,
            first_ms=min(entry.first_ms for entry in group),
            last_ms=max(entry.last_ms for entry in group),
            series=1,
            samples=sum(entry.samples for entry in group),
            bytes=1,
            level=max(entry.level for entry in group) + 1,
        )
        entries = [entry for entry in entries if entry.name not in inside]
        entries = sorted([*entries, merged], key=lambda entry: entry.sequence)
    if everything:
        assert all(entry.level > 0 for entry in entries)


@given(blocks)
def test_blocks_that_cannot_be_read_are_left_alone(entries: list[BlockEntry]) -> None:
    skip = {entry.name for entry in entries[::2]}
    group = next_group(entries, BLOCK, 54 * HOUR, everything=True, skip=skip)
    assert group is None or not skip & {entry.name for entry in group}


def test_a_block_that_cannot_be_read_does_not_stop_the_merges_of_others() -> None:
    """Blocks 1 and 3 cannot be merged without the one between them."""
    late = [block(1, 0, 2), block(2, 0, 2), block(3, 0, 2)]
    full = [block(4, 18, 20), block(5, 20, 22), block(6, 22, 24), block(7, 36, 38)]
    group = next_group([*late, *full], BLOCK, 6 * HOUR, skip={"2.block"})
    assert group is not None
    assert names(group) == [4, 5, 6]


def test_old_blocks_go_whole() -> None:
    entries = [block(1, 0, 2), block(2, 2, 4), block(3, 4, 6), block(4, 6, 8)]
    now = 8 * HOUR

    def gone(retention_h: float | None, retention_bytes: int | None = None, **more: int) -> object:
        return names(
            expired(
                entries,
                now_ms=more.get("now", now),
                retention_ms=None if retention_h is None else round(retention_h * HOUR),
                retention_bytes=retention_bytes,
                other_bytes=more.get("other", 0),
            )
        )

    assert gone(None) == []
    assert gone(100) == []
    assert gone(4) == [1]  # the second one ends less than four hours ago
    assert gone(3.9) == [1, 2]
    assert gone(3.9, now=10**15) == [1, 2]  # history stays though the clock has moved on
    assert gone(3.9, now=5 * HOUR) == []  # samples from the future drive nothing out
    assert gone(None, 4000) == []
    assert gone(None, 3999) == [1]
    assert gone(None, 2500, other=1000) == [1, 2, 3]
    assert gone(3.9, 1999) == [1, 2, 3]
    assert gone(None, 1) == [1, 2, 3, 4]


@given(blocks, st.integers(0, 70), st.integers(0, 30_000))
def test_no_block_goes_before_one_whose_samples_it_replaces(
    entries: list[BlockEntry], retention_h: int, most: int
) -> None:
    retention_ms = retention_h * HOUR + 1
    gone = expired(entries, now_ms=80 * HOUR, retention_ms=retention_ms, retention_bytes=most)
    waited_ms = max((entry.last_ms for entry in entries), default=0) - 2 * retention_ms
    left = [entry for entry in entries if entry not in gone]
    assert sum(entry.bytes for entry in left) <= most
    for entry in gone:
        for older in left:
            apart = older.last_ms < entry.first_ms or entry.last_ms < older.first_ms
            assert apart or older.sequence > entry.sequence or entry.last_ms < waited_ms


def test_overlapping_blocks_are_downsampled_together() -> None:
    entries = [block(1, 0, 2), block(2, 2, 4), block(3, 1, 2), block(4, 3, 5), block(5, 20, 22)]

    def next_names(now_h: int, **more: set[str]) -> list[int] | None:
        group = to_downsample(entries, now_ms=now_h * HOUR, retention_ms=5 * HOUR, **more)
        return None if group is None else names(group)

    assert next_names(6) is None
    assert next_names(7) == [1, 3]
    assert next_names(7, skip={"3.block"}) == [1]
    entries = [replace(one, downsampled_ms=1) if one.sequence in (1, 3) else one for one in entries]
    assert next_names(9) is None  # block 4 overlaps block 2, and is not yet old
    assert next_names(10) == [2, 4]
    wide = block(6, 2.5, 100)
    entries.append(wide)
    assert next_names(13) is None
    assert next_names(16) == [2, 4]


def test_a_block_of_few_samples_far_apart_does_not_end_retention() -> None:
    entries = [block(1, 0, 1000), *(block(n, 10 * n, 10 * n + 10) for n in range(2, 9))]

    def gone(now_h: int) -> list[int]:
        found = expired(entries, now_ms=now_h * HOUR, retention_ms=20 * HOUR, retention_bytes=None)
        return names(found)

    assert gone(60) == []
    assert gone(69) == []
    assert gone(70) == [2]
    assert gone(90) == [2, 3, 4]


@given(blocks)
def test_a_range_is_no_wider_than_asked_for(entries: list[BlockEntry]) -> None:
    group = next_group(entries, BLOCK, FACTOR * BLOCK)
    if group is not None and len(group) > 1:
        widest = max(entry.last_ms - entry.first_ms + 1 for entry in group)
        span = max(e.last_ms for e in group) - min(e.first_ms for e in group) + 1
        overlaps = sum(entry.last_ms - entry.first_ms + 1 for entry in group)
        assert span <= max(FACTOR * BLOCK, widest, overlaps)


def test_blocks_that_touch_at_their_ends_do_not_overlap() -> None:
    """A flush cuts a scrape of many targets: the next block begins before the last one ends."""
    second = 1 / 3600
    cut = [block(1, 0, 1), block(2, 1 - 15 * second, 1.8), block(3, 1.8 - 15 * second, 1.9)]
    assert next_group(cut, BLOCK, 18 * HOUR) is None
    late = block(4, 0.5, 0.5 + second)
    group = next_group([*cut, block(5, 0.5, 0.9, samples=200)], BLOCK, 18 * HOUR)
    assert group is not None
    assert 1 in names(group)
    assert next_group([*cut, late], BLOCK, 18 * HOUR) is not None


def test_the_blocks_of_the_narrowest_range_are_merged_when_it_is_complete() -> None:
    second = 1 / 3600
    cut = [block(1, 0, 1, samples=10_000), block(2, 1 - 15 * second, 1.9, samples=100)]
    assert next_group(cut, BLOCK, 18 * HOUR) is None
    group = next_group([*cut, block(3, 2, 3)], BLOCK, 18 * HOUR)
    assert group is not None
    assert names(group) == [1, 2]


WINDOW_H = 162 * 4**8
"""Hours of a window of a flush whose samples are years apart."""


def test_wide_blocks_of_a_window_are_merged() -> None:
    """Those of successive flushes, of which each begins and ends a little later."""
    entries = [
        block(64 * n + window, window * WINDOW_H + n + 1, (window + 1) * WINDOW_H - 9 + n, 2)
        for n in range(6)
        for window in range(20)
    ]
    rewritten = 0
    while (group := next_group(entries, BLOCK, 240 * HOUR)) is not None and len(group) > 1:
        names_gone = {entry.name for entry in group}
        first_h = min(entry.first_ms for entry in group) / HOUR
        last_h = (max(entry.last_ms for entry in group) + 1) / HOUR
        samples = sum(entry.samples for entry in group)
        rewritten += samples
        made = block(group[-1].sequence, first_h, last_h, samples, 1)
        left = [entry for entry in entries if entry.name not in names_gone]
        entries = sorted([*left, made], key=lambda entry: entry.sequence)
    assert len(entries) == 20
    assert rewritten == 6 * 20 * 2


def test_narrow_blocks_do_not_become_part_of_wide_ones() -> None:
    """Neither as blocks that overlap them, nor as blocks between them in `sequence`."""
    wide = [block(1, 1, WINDOW_H - 9, 2), block(4, 2, WINDOW_H - 8, 2)]
    narrow = [block(2, 0, 2, level=1), block(3, 2, 4, level=1), block(5, 4, 6, level=1)]
    entries = sorted([*wide, *narrow], key=lambda entry: entry.sequence)
    while (group := next_group(entries, BLOCK, 2 * HOUR)) is not None:
        assert len(group) == 1
        entries = [replace(entry, level=1) if entry == group[0] else entry for entry in entries]
