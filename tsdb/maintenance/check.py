"""Verifies a store: all checksums, counts and orders."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.reader import Block, BlockEntry
from novaql.tsdb.codec.columns import Undecodable
from novaql.tsdb.directory import manifest as manifests
from novaql.tsdb.directory.open import (
    degraded_of,
    holds_data,
    lock_is_missing,
    log_shortfalls,
    was_closed,
)
from novaql.tsdb.directory.store_directory import BLOCKS, LOCK, LOG
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.errors import Corrupted, StoreNotFound, Unreadable
from novaql.tsdb.head.validate import invalid_histograms
from novaql.tsdb.index.match import label_table
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.part import Layer, Rollup
from novaql.tsdb.parts.sorted_run import RunDirectory, SortedHistogramRun, SortedRun
from novaql.tsdb.runtime.lru_cache import ByteCache
from novaql.tsdb.wal.extent import FILE
from novaql.tsdb.wal.record import SEGMENT_HEADER, Damage, is_end, read_log
from novaql.tsdb.wal.writer import segment_name, segment_numbers


@dataclass(frozen=True, slots=True)
class Violation:
    """A violated invariant: file, place in it, and problem."""

    path: Path
    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.place}: {self.problem}"


def check(path: str | Path) -> list[Violation]:
    """Verify the store at a path, open or not. Returns nothing for a sound store.

    Raises `StoreNotFound`. Nothing is changed. Blocks that a writer removes meanwhile may be
    reported as missing.
    """
    disk = Disk()
    return check_blocks(disk, Path(path)) + check_log(disk, Path(path))


def check_blocks(disk: Disk, path: Path) -> list[Violation]:
    """Verify manifest and blocks."""
    try:
        seen = manifests.find(disk, path)
    except Corrupted as problem:
        return [Violation(problem.path, problem.place, problem.reason)]
    if seen is None:
        if holds_data(disk, path):
            missing = manifests.unreadable(path, None)
            return [Violation(missing.path, missing.place, missing.reason)]
        raise StoreNotFound(path)
    manifest = seen.manifest
    found = [
        Violation(path / name, place, problem)
        for name, place, problem in degraded_of(seen, closed=was_closed(disk, path))
    ]
    if lock_is_missing(disk, path, manifest):
        found.append(Violation(path / LOCK, FILE, "it is missing or empty"))
    sequences = [entry.sequence for entry in manifest.blocks]
    if sequences != sorted(set(sequences)) or any(n >= manifest.next_block for n in sequences):
        found.append(Violation(path / manifests.NAME, "blocks", "their sequence is not increasing"))
    for entry in manifest.blocks:
        found.extend(block_violations(disk, path / BLOCKS, entry))
    return found


def check_log(disk: Disk, path: Path) -> list[Violation]:
    """Verify the segments that the manifest needs; nothing if the manifest cannot be read."""
    try:
        manifest = manifests.read(disk, path)
    except Corrupted:
        return []
    found: list[Violation] = []
    if manifest is None:
        return found
    closed = was_closed(disk, path)
    ends: dict[int, int] = {}
    for number in segment_numbers(disk, path / LOG):
        if manifest.owes(number):
            ended = closed and (manifest.segments is None or number in manifest.segments)
            found.extend(_check_segment(disk, path / LOG, number, manifest.store, ended, ends))
    log_start = getattr(manifests.read(disk, path), "log_start", 0)  # a flush may have moved it
    for number, (place, problem) in log_shortfalls(manifest, ends).items():
        if number >= log_start:
            found.append(Violation(path / LOG / segment_name(number), place, problem))
    named = {(str(one.path), one.place) for one in found}
    for file, place, problem in manifest.lost:
        if (str(path / file), place) not in named:
            found.append(Violation(path / file, place, f"{problem} (until the store is repaired)"))
    return found


def block_violations(disk: Disk, folder: Path, entry: BlockEntry) -> list[Violation]:
    """Return the violations of one block, as far as it can be read."""
    block = Block(disk, folder, entry, ByteCache(0))
    found: list[Violation] = []
    try:
        for place, problem in _block_problems(block):
            found.append(Violation(block.path, place, problem))
    except Corrupted as damage:
        found.append(Violation(damage.path, damage.place, damage.reason))
    except Unreadable as refused:
        found.append(Violation(refused.path, refused.place, refused.reason))
    return found


def _block_problems(block: Block) -> Iterator[tuple[str, str]]:
    description = block.describe()
    table = label_table(block, np.arange(block.rows))
    if len(np.unique(table.keys())) != block.rows:
        yield "labels", "two series have the same label set"
    layers = block.layers()
    samples = sum(layer.run.samples for layer in layers)
    if samples != description.samples:
        yield "directories", f"{samples} samples, not {description.samples}"
    described = {False: description.grids}
    if description.native is not None:
        described[True] = description.native.grids
    named = np.zeros(block.rows, np.bool_)
    for layer in layers:
        run = layer.run
        rows = np.arange(len(run.grid_of)) if layer.ids is None else layer.ids
        right = len(rows) == len(run.grid_of) and bool((np.diff(rows) > 0).all())
        right = right and int(rows.max(initial=-1)) < block.rows
        if not right or len(run.grid_length) != described[isinstance(run, SortedHistogramRun)]:
            yield "directories", "counts of series or grids differ from the description"
            return
        named[rows] = True
        yield from _time_problems(run)
        yield from _sample_problems(run)
    for rollup in block.rollups():
        yield from _rollup_problems(rollup)
    if not named.all():
        yield f"series {int(np.argmin(named))}", "no samples"
    yield from _kind_problems(layers)


def _rollup_problems(rollup: Rollup) -> Iterator[tuple[str, str]]:
    """Read every cell."""
    grids, place = rollup.grids, f"rollup of {rollup.resolution_ms} ms"
    starts = whole(grids.grid_start)
    times = grids.times.ints(starts, whole(grids.grid_length))
    begins = np.zeros(len(times), np.bool_)
    begins[starts] = True
    if bool((~begins[1:] & (np.diff(times) <= 0)).any()):
        yield place, "times do not increase"
    lengths = grids.lengths
    for name, stream in rollup.statistics.items():
        if len(stream.floats(whole(grids.value_start), lengths)) != int(lengths.sum()):
            yield place, f"fewer values of {name} than cells"


def _sample_problems(run: RunDirectory) -> Iterator[tuple[str, str]]:
    """Read all values, or all histograms."""
    for start in range(0, len(run.grid_of), 64):
        some = slice(start, start + 64)
        lengths = run.grid_length[run.grid_of[some]]
        if isinstance(run, SortedHistogramRun):
            found = run.values.histograms(run.value_start[some], lengths)
            problem = invalid_histograms(found)
            if problem is not None:
                yield f"series {start}", problem
            count = len(found)
        else:
            assert isinstance(run, SortedRun)
            count = len(run.values.floats(run.value_start[some], lengths))
        if count != int(lengths.sum()):
            yield f"series {start}", "fewer values than times"


def _kind_problems(layers: Sequence[Layer]) -> Iterator[tuple[str, str]]:
    """Verify that no series has a float and a histogram at one time."""
    if len(layers) < 2:
        return
    floats, native = layers
    assert floats.ids is not None
    assert native.ids is not None
    for row in np.intersect1d(floats.ids, native.ids).tolist():
        if len(np.intersect1d(_times_of(floats, row), _times_of(native, row))):
            yield f"series {row}", "a float and a histogram at the same time"


def _times_of(layer: Layer, row: int) -> Ints:
    run = layer.run
    _, series = layer.locate(np.array([row]))
    grids = run.grid_of[series]
    return run.times.ints(run.grid_start[grids], run.grid_length[grids])


def _time_problems(run: RunDirectory) -> Iterator[tuple[str, str]]:
    begins, lengths = whole(run.grid_start), whole(run.grid_length)
    right = (begins == np.cumsum(lengths) - lengths).all()
    begins, lengths = whole(run.value_start), run.lengths
    if not right or not (begins == np.cumsum(lengths) - lengths).all():
        yield "directories", "places of times or values differ from the lengths"
        return
    for grid in range(len(run.grid_length)):
        one = np.array([grid])
        times = run.times.ints(run.grid_start[one], run.grid_length[one])
        if (np.diff(times) <= 0).any():
            yield f"grid {grid}", "times do not increase"
        if times[0] != run.grid_first[one][0] or times[-1] != run.grid_last[one][0]:
            yield f"grid {grid}", "first or last time differs from the directory"


def _check_segment(
    disk: Disk, folder: Path, number: int, store: bytes, closed: bool, ends: dict[int, int]
) -> Iterator[Violation]:
    """ends: receives the end of the last whole record, if the segment exists."""
    path = folder / segment_name(number)
    try:
        data = disk.read_all(path)
    except FileNotFoundError:  # of a running writer: reported as missing if it is still needed
        return
    except OSError as problem:
        ends[number] = sys.maxsize  # it may be whole
        yield Violation(path, FILE, problem.strerror or str(problem))
        return
    ended = False
    ends[number] = min(len(data), SEGMENT_HEADER.size)
    for item in read_log(data, store, number):
        if isinstance(item, Damage):
            if item.offset == 0:
                ends[number] = 0
            what = "after the last whole record" if item.tail else "that are not a record"
            yield Violation(path, f"offset {item.offset}", f"{item.length} bytes {what}")
            continue
        offset, ends[number], record = item
        if isinstance(record, Undecodable):
            yield Violation(path, f"offset {offset}", str(record))
        else:
            ended = is_end(record)
    if closed and not ended:
        yield Violation(path, f"offset {len(data)}", "the file is cut off")
