"""Which blocks to merge, and which to let go; decided by the manifest's entries alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from novaql.tsdb.block.reader import BlockEntry

FACTOR = 3
"""Each width of blocks is so many times the one before."""
LATE_SHARE = 8
"""Blocks that overlap wait until they hold one sample in so many of what they overlap …"""
LATE_BLOCKS = 4
"""… or there are more than so many of them."""

Group = tuple[BlockEntry, ...]


def widths(block_ms: int, most_ms: int) -> list[int]:
    """Time that blocks of each level cover: `block_ms`, three times that, …, up to `most_ms`."""
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
    """Blocks that should become one, in order of age; None if all is well as it is.

    entries     of all blocks, in order of `sequence`
    everything  merge what can be merged, also where more is still to come, and pack single blocks
    skip        names of blocks to leave alone

    First come blocks that overlap in time, since they cost every read; then the narrowest range of
    time that is full; then single blocks that were packed in a hurry. A group holds every block
    that came between two of it in `sequence` and overlaps one of it, so the samples that stand stay
    the same.
    """
    left = {*skip}
    usable = [entry for entry in entries if entry.name not in left]
    ranges = widths(block_ms, most_ms)
    found = (
        _overlapping(usable, ranges[-1], everything=everything)
        or _full_range(usable, ranges, everything=everything)
        or _loose(usable, ranges[0], everything=everything)
    )
    if found is None:
        return None
    group = closure(found, entries)
    return None if any(entry.name in left for entry in group) else group


def closure(group: Iterable[BlockEntry], entries: Sequence[BlockEntry]) -> Group:
    """A group and all the blocks that must be merged with it, in order of age."""
    chosen = {entry.name: entry for entry in group}
    grown = True
    while grown:
        grown = False
        low = min(entry.sequence for entry in chosen.values())
        high = max(entry.sequence for entry in chosen.values())
        for entry in entries:
            if entry.name in chosen or not low < entry.sequence < high:
                continue
            if any(_overlap(entry, other) for other in chosen.values()):
                chosen[entry.name] = entry
                grown = True
    return tuple(sorted(chosen.values(), key=lambda entry: entry.sequence))


def _overlap(one: BlockEntry, other: BlockEntry) -> bool:
    return one.first_ms <= other.last_ms and other.first_ms <= one.last_ms


def _overlapping(
    entries: Sequence[BlockEntry], most_ms: int, *, everything: bool
) -> list[BlockEntry] | None:
    """A block and those that came later for its time, if they are worth rewriting it."""
    by_size = sorted(entries, key=lambda entry: -entry.samples)
    for place, entry in enumerate(by_size):
        late = [
            other
            for other in by_size[place + 1 :]
            if _overlap(other, entry)
            and _span([other, entry]) <= max(most_ms, entry.last_ms - entry.first_ms + 1)
        ]
        share = sum(other.samples for other in late) * LATE_SHARE
        if late and (everything or share >= entry.samples or len(late) > LATE_BLOCKS):
            return [entry, *late]
    return None


def _span(entries: Sequence[BlockEntry]) -> int:
    return max(e.last_ms for e in entries) - min(e.first_ms for e in entries) + 1


def _full_range(
    entries: Sequence[BlockEntry], ranges: Sequence[int], *, everything: bool
) -> list[BlockEntry] | None:
    """Several blocks within a range of time that is over, or for `everything` in any such range."""
    if everything:
        return _neighbours(entries, ranges[-1])
    newest = max((entry.last_ms for entry in entries), default=0)
    for width in ranges[1:]:
        windows: dict[int, list[BlockEntry]] = {}
        for entry in entries:
            window = entry.first_ms // width
            if entry.last_ms // width == window:
                windows.setdefault(window, []).append(entry)
        for window, found in sorted(windows.items()):
            inside = [entry for entry in found if not _waits(entry, found)]
            if len(inside) > 1 and newest >= (window + 1) * width - 1:
                return inside
    return None


def _waits(late: BlockEntry, entries: Sequence[BlockEntry]) -> bool:
    """Whether a block is too small for one that it overlaps to be rewritten."""
    return any(
        late.samples * LATE_SHARE < entry.samples and _overlap(late, entry) for entry in entries
    )


def _neighbours(entries: Sequence[BlockEntry], most_ms: int) -> list[BlockEntry] | None:
    """Blocks one after the other in time that together cover no more than this."""
    group: list[BlockEntry] = []
    for entry in sorted(entries, key=lambda entry: (entry.first_ms, entry.sequence)):
        if group and _span([*group, entry]) > most_ms:
            if len(group) > 1:
                return group
            group = []
        group.append(entry)
    return group if len(group) > 1 else None


def _loose(
    entries: Sequence[BlockEntry], block_ms: int, *, everything: bool
) -> list[BlockEntry] | None:
    """One block as a flush wrote it, when a next one has come and it was not merged."""
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
    """Blocks that are to go: whole ones, all of whose samples are older than `retention_ms`, and
    the oldest ones until the rest and `other_bytes` fit into `retention_bytes`.

    rollup_retention_ms: the age instead, where rollups outlive their samples; see `to_downsample`.

    Age counts back from the newest sample in a block or from now, whichever is earlier: history
    that was imported stays, and a sample from the future drives nothing out.
    """
    by_age = sorted(entries, key=lambda entry: (entry.last_ms, entry.sequence))
    gone: list[BlockEntry] = []
    longest = rollup_retention_ms or retention_ms
    if longest is not None and by_age:
        oldest = min(now_ms, by_age[-1].last_ms) - longest
        gone = [entry for entry in by_age if entry.last_ms < oldest]
        by_age = by_age[len(gone) :]
    if retention_bytes is not None:
        size = other_bytes + sum(entry.bytes for entry in by_age)
        while by_age and size > retention_bytes:
            entry = by_age.pop(0)
            size -= entry.bytes
            gone.append(entry)
    return gone


def to_downsample(
    entries: Sequence[BlockEntry], *, now_ms: int, retention_ms: int
) -> list[BlockEntry]:
    """Blocks of which the rollups alone are to stay, the oldest first; age counts as above."""
    newest = max((entry.last_ms for entry in entries), default=0)
    oldest = min(now_ms, newest) - retention_ms
    return [entry for entry in entries if entry.last_ms < oldest and not entry.downsampled_ms]
