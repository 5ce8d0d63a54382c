"""Chooses the blocks to merge, downsample or remove, from the manifest's entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.compaction.flush import flushed_widths
from novaql.tsdb.parts.time_ordered import TimeOrdered

FACTOR = 3
"""Ratio of successive widths of blocks."""
LATE_SHARE = 8
"""Blocks that overlap a larger one are merged with it if they have at least 1/8 of its samples …"""
LATE_BLOCKS = 4
"""… or there are more than this many."""
OVERLAP_SHARE = 8
"""Blocks overlap if they share at least 1/8 of the time of the shorter one. Those of two successive
flushes share the time of one scrape: each series ends in one before it begins in the other."""

Group = tuple[BlockEntry, ...]


def widths(block_ms: int, most_ms: int) -> list[int]:
    """Return the time that blocks of each level cover: `block_ms`, three times that, … up to
    `most_ms`."""
    found = [block_ms]
    while found[-1] * FACTOR <= most_ms:
        found.append(found[-1] * FACTOR)
    return found


def next_group(
    entries: Sequence[BlockEntry],
    block_ms: int,
    most_ms: int,
    *,
    everything: bool = False,
    skip: Iterable[str] = (),
) -> Group | None:
    """Return blocks to merge into one, in order of age; None if there are none.

    entries     all blocks, in order of `sequence`
    everything  also merge ranges of time for which more blocks may come, and rewrite single blocks
    skip        names of blocks to leave alone

    Precedence: blocks that overlap in time, since they slow down every read; then the narrowest
    complete range of time; then single blocks as a flush wrote them. A group includes every block
    between two of its blocks in `sequence` that overlaps one of them. Without this, the merged
    block would get the highest sequence, and its older samples would replace newer ones of that
    block.
    """
    left = {*skip}
    ranges = widths(block_ms, most_ms)
    while True:
        usable = [entry for entry in entries if entry.name not in left]
        found = (
            _overlapping(usable, ranges, everything=everything)
            or _full_range(usable, ranges, everything=everything)
            or _single_flushed(usable, ranges[0], everything=everything)
        )
        if found is None:
            return None
        group = closure(found, entries)
        if not any(entry.name in left for entry in group):
            return group
        left.update(entry.name for entry in found)


def closure(group: Iterable[BlockEntry], entries: Sequence[BlockEntry]) -> Group:
    """Return a group and all blocks that must be merged with it, in order of age."""
    chosen = {entry.name: entry for entry in group}
    low = min(entry.sequence for entry in chosen.values())
    high = max(entry.sequence for entry in chosen.values())
    between = TimeOrdered(entry for entry in entries if low < entry.sequence < high)
    waiting = list(chosen.values())
    while waiting:
        entry = waiting.pop()
        for other in between.overlapping(entry.first_ms, entry.last_ms):
            if other.name not in chosen:
                chosen[other.name] = other
                waiting.append(other)
    return tuple(sorted(chosen.values(), key=lambda entry: entry.sequence))


def _overlap(one: BlockEntry, other: BlockEntry) -> bool:
    common_ms = min(one.last_ms, other.last_ms) - max(one.first_ms, other.first_ms) + 1
    return common_ms > 0 and common_ms * OVERLAP_SHARE >= min(_span([one]), _span([other]))


def _overlapping(
    entries: Sequence[BlockEntry], ranges: Sequence[int], *, everything: bool
) -> list[BlockEntry] | None:
    """Return a block and the smaller ones that overlap it, if they justify that it is rewritten.

    The merged block covers at most the largest of `ranges`, or the window of the block as a flush
    cut it. So the blocks of flushes that are wider than any range, since their samples are far
    apart, do not accumulate; a narrow block is not merged with a wide one of fewer samples.
    """
    by_size = sorted(entries, key=lambda entry: -entry.samples)
    by_time = TimeOrdered(by_size)
    smaller = {entry.name for entry in by_size}
    for entry in by_size:
        smaller.remove(entry.name)
        first_ms, last_ms = _window(entry, ranges)
        late = [
            other
            for other in by_time.overlapping(entry.first_ms, entry.last_ms)
            if other.name in smaller
            and (everything or _overlap(other, entry))
            and (
                _span([other, entry]) <= ranges[-1]
                or (first_ms <= other.first_ms and other.last_ms <= last_ms)
            )
        ]
        share = sum(other.samples for other in late) * LATE_SHARE
        if late and (everything or share >= entry.samples or len(late) > LATE_BLOCKS):
            group = [entry, *late]
            if (first_ms, last_ms) == (entry.first_ms, entry.last_ms) or _is_alone(group, entries):
                return group
    return None


def _span(entries: Sequence[BlockEntry]) -> int:
    return max(e.last_ms for e in entries) - min(e.first_ms for e in entries) + 1


def _window(entry: BlockEntry, ranges: Sequence[int]) -> tuple[int, int]:
    """Return the first and last time of the window of a flush that contains a block; those of the
    block if it is narrower than `ranges`, or in no window."""
    if _span([entry]) > ranges[-1] and (entry.first_ms < 0) == (entry.last_ms < 0):
        for width in flushed_widths(ranges[0]):
            begin = entry.first_ms // width * width
            if entry.last_ms < begin + width:
                return begin, begin + width - 1
    return entry.first_ms, entry.last_ms


def _is_alone(group: Sequence[BlockEntry], entries: Sequence[BlockEntry]) -> bool:
    """Whether few samples of other blocks must be rewritten with a group. Wide blocks of few
    samples may have every narrow block of their time between them in `sequence`."""
    whole = sum(entry.samples for entry in closure(group, entries))
    return whole <= LATE_SHARE * sum(entry.samples for entry in group)


def _full_range(
    entries: Sequence[BlockEntry], ranges: Sequence[int], *, everything: bool
) -> list[BlockEntry] | None:
    """Return several blocks in a complete range of time; with `everything`, in any range."""
    if everything:
        return _neighbours(entries, ranges[-1])
    newest = max((entry.last_ms for entry in entries), default=0)
    for width in ranges:
        windows: dict[int, list[BlockEntry]] = {}
        for entry in entries:
            window = entry.first_ms // width
            if entry.last_ms // width == window:
                windows.setdefault(window, []).append(entry)
        for window, found in sorted(windows.items()):
            inside = [entry for entry in found if not _is_too_small(entry, found)]
            if len(inside) > 1 and newest >= (window + 1) * width - 1:
                return inside
    return None


def _is_too_small(late: BlockEntry, entries: Sequence[BlockEntry]) -> bool:
    """Whether a block is too small to justify that a larger one that it overlaps is rewritten."""
    return any(
        late.samples * LATE_SHARE < entry.samples and _overlap(late, entry) for entry in entries
    )


def _neighbours(entries: Sequence[BlockEntry], most_ms: int) -> list[BlockEntry] | None:
    """Return adjacent blocks that together cover at most this time."""
    group: list[BlockEntry] = []
    for entry in sorted(entries, key=lambda entry: (entry.first_ms, entry.sequence)):
        if group and _span([*group, entry]) > most_ms:
            if len(group) > 1:
                return group
            group = []
        group.append(entry)
    return group if len(group) > 1 else None


def _single_flushed(
    entries: Sequence[BlockEntry], block_ms: int, *, everything: bool
) -> list[BlockEntry] | None:
    """Return one block as a flush wrote it, if later data shows that no other will be merged with
    it."""
    newest = max((entry.last_ms for entry in entries), default=0)
    for entry in entries:
        if entry.level == 0 and (everything or newest - entry.last_ms > FACTOR * block_ms):
            return [entry]
    return None


def expired(
    entries: Sequence[BlockEntry],
    *,
    now_ms: int,
    retention_ms: int | None,
    retention_bytes: int | None,
    rollup_retention_ms: int | None = None,
    other_bytes: int = 0,
) -> list[BlockEntry]:
    """Return the blocks to remove: those whose samples are all older than `retention_ms`, and the
    oldest ones until the rest and `other_bytes` are at most `retention_bytes`.

    rollup_retention_ms: the age of removal if rollups outlive samples; see `to_downsample`.

    Age counts from the newest sample in a block or from now, whichever is earlier: imported history
    stays, and a sample with a time in the future removes nothing. A block stays as long as an older
    one of the same time, since the samples that it replaces would return; at most for its age once
    more, since a few samples that are far apart make a block of years.
    """
    by_age = sorted(entries, key=lambda entry: (entry.last_ms, entry.sequence))
    gone: list[BlockEntry] = []
    longest = rollup_retention_ms or retention_ms
    if longest is not None and by_age:
        oldest = min(now_ms, by_age[-1].last_ms) - longest
        left: list[BlockEntry] = []
        for entry in sorted(entries, key=lambda entry: entry.sequence):
            may_go = entry.last_ms < oldest and (
                entry.last_ms < oldest - longest or not _may_replace(entry, left)
            )
            (gone if may_go else left).append(entry)
        by_age = [entry for entry in by_age if entry not in gone] if gone else by_age
    if retention_bytes is not None:
        size = other_bytes + sum(entry.bytes for entry in by_age)
        while by_age and size > retention_bytes:
            entry = next(entry for entry in by_age if not _may_replace(entry, by_age))
            by_age.remove(entry)
            size -= entry.bytes
            gone.append(entry)
    return gone


def _may_replace(entry: BlockEntry, others: Iterable[BlockEntry]) -> bool:
    """Whether a block may have samples that replace those of an older one among others."""
    return any(
        other.sequence < entry.sequence
        and other.first_ms <= entry.last_ms
        and entry.first_ms <= other.last_ms
        for other in others
    )


def to_downsample(
    entries: Sequence[BlockEntry], *, now_ms: int, retention_ms: int, skip: Iterable[str] = ()
) -> Group | None:
    """Return the next blocks whose samples rollups should replace, in order of age: the new block
    replaces all of them. None if there are none. Age counts as in `expired`.

    skip: names of blocks to leave alone

    Blocks that overlap are rewritten together, once all of them are old enough: rollups of two
    blocks would count a replaced sample twice, and not know the order of the others. A block waits
    for others at most for `retention_ms`.
    """
    newest = max((entry.last_ms for entry in entries), default=0)
    oldest = min(now_ms, newest) - retention_ms
    left = {*skip}
    usable = [entry for entry in entries if not entry.downsampled_ms and entry.name not in left]
    for group in _apart(usable):
        if any(entry.last_ms >= oldest for entry in group):
            group = [entry for entry in group if entry.last_ms < oldest - retention_ms]
        if group:
            whole = closure(group, entries)
            return whole if len(whole) == len(group) else tuple(group[:1])
    return None


def _apart(entries: Iterable[BlockEntry]) -> list[list[BlockEntry]]:
    """Return the blocks in groups that have no time in common, by time."""
    groups: list[list[BlockEntry]] = []
    reached = 0
    for entry in sorted(entries, key=lambda entry: (entry.first_ms, entry.sequence)):
        if not groups or entry.first_ms > reached:
            groups.append([])
            reached = entry.last_ms
        groups[-1].append(entry)
        reached = max(reached, entry.last_ms)
    return groups
