"""Options of a store, and the results that its methods return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.format import MOST_ROLLUPS
from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.compaction.flush import BLOCK_MS
from novaql.tsdb.runtime.cache_budget import CacheBudget
from novaql.tsdb.runtime.lru_cache import DEFAULT_CACHE_BYTES, CacheStats
from novaql.tsdb.wal.writer import SEGMENT_BYTES


class Sync(StrEnum):
    """When an append is safe from a power cut. A killed process loses no append that returned, in
    any mode.

    ALWAYS    when `append` returns; appends that wait together share one fsync
    INTERVAL  at most `sync_interval_s` later; an append waits for a sync where it would be more
    OS        when the kernel writes it out
    """

    ALWAYS = "always"
    INTERVAL = "interval"
    OS = "os"


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """sync, sync_interval_s    see `Sync`
    block_ms                 time range of a block; ranges are aligned to multiples of it
    flush_bytes              the head is flushed when its samples take this many bytes of memory, or
                             512 for each series if that is more; a sample takes 24, and 8 to 10
                             when it is sorted. Label sets of 512 MiB fill it, too
    flush_samples            the head is also flushed when it has this many samples, or 32 of each
                             series if that is more; a native histogram counts as one for every 24
                             bytes
    flush_after_s            the head is also flushed when its first sample is this old
    close_flush_samples      `close()` flushes a head of at least this many samples; a smaller one
                             stays in the log
    max_exemplars            the newest exemplars in memory; 0 for none
    cache_bytes              cache of what queries read: decoded pages and samples, indexes of
                             blocks, plans, series; 0 for none
    cache_budget             a limit that the caches of several stores share
    out_of_order_ms          samples that are older than the newest one by more than this are
                             rejected; None: none are
    compaction               merge blocks in the background; `Database.compact` works in any case
    most_block_ms            largest time range of a merged block; it is also at most a tenth of
                             retention_ms
    rollups_ms               resolutions of the rollups of merged blocks, such as 300 000: queries
                             read them instead of samples where the answer is the same
    retention_ms             a block is removed when all its samples are older than this, and no
                             earlier block of the same time is left (but at most twice as long);
                             None: never
    rollup_retention_ms      its rollups stay until they are this old: the statistics of each cell
                             of the finest of `rollups_ms`, and its last sample. None: nothing stays
    retention_bytes          the oldest blocks are removed while blocks and log are larger than
                             this; None: never
    guests                   names that may be in the directory when a store is created in it,
                             beside `lost+found`
    """

    sync: Sync = Sync.INTERVAL
    sync_interval_s: float = 1.0
    block_ms: int = BLOCK_MS
    flush_bytes: int = 16 << 20
    flush_samples: int = 10_000_000
    flush_after_s: float = 2 * 3600
    close_flush_samples: int = 200_000
    segment_bytes: int = SEGMENT_BYTES
    cache_bytes: int = DEFAULT_CACHE_BYTES
    cache_budget: CacheBudget | None = None
    out_of_order_ms: int | None = None
    max_exemplars: int = 100_000
    compaction: bool = True
    most_block_ms: int = 81 * BLOCK_MS
    rollups_ms: tuple[int, ...] = ()
    retention_ms: int | None = None
    rollup_retention_ms: int | None = None
    retention_bytes: int | None = None
    guests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        positive = "sync_interval_s", "block_ms", "flush_bytes", "flush_samples", "segment_bytes"
        for name in positive:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        if len(self.rollups_ms) >= MOST_ROLLUPS or any(ms <= 0 for ms in self.rollups_ms):
            most = MOST_ROLLUPS - 1
            raise ValueError(f"rollups_ms must be at most {most} resolutions of more than 0")
        for name in ("max_exemplars", "cache_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, but is {getattr(self, name)}")
        for name in ("retention_ms", "rollup_retention_ms", "retention_bytes"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be more than 0, not {value}; None: no limit")
        if self.rollup_retention_ms is not None:
            if not self.rollups_ms:
                raise ValueError("rollup_retention_ms needs rollups_ms: which rollups are to stay?")
            if self.retention_ms is None or self.rollup_retention_ms <= self.retention_ms:
                raise ValueError("rollup_retention_ms must be longer than retention_ms")

    @property
    def downsampled_ms(self) -> int:
        """Resolution of the rollups that replace samples; 0: samples are removed."""
        return 0 if self.rollup_retention_ms is None else min(self.rollups_ms)


@dataclass(frozen=True, slots=True)
class CompactionResult:
    """Blocks that were read and written, with their samples and bytes."""

    blocks_read: int = 0
    blocks_written: int = 0
    samples_read: int = 0
    samples_written: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def plus(self, read: Sequence[BlockEntry], written: Sequence[BlockEntry]) -> CompactionResult:
        return CompactionResult(
            self.blocks_read + len(read),
            self.blocks_written + len(written),
            self.samples_read + sum(entry.samples for entry in read),
            self.samples_written + sum(entry.samples for entry in written),
            self.bytes_read + sum(entry.bytes for entry in read),
            self.bytes_written + sum(entry.bytes for entry in written),
        )


@dataclass(frozen=True, slots=True)
class AppendResult:
    """The result of an append.

    appended    samples that were stored
    duplicates  those of them that repeat the time of the newest sample of their series, as a
                message that is sent twice does; the later one replaces it
    late        those of them that are older than the newest sample of their series
    rejected    samples that are older than `out_of_order_ms` allows
    rejected_histograms   how many of these are histograms
    exemplars   exemplars that were stored; those whose labels have more than 128 characters are not
    """

    appended: int = 0
    duplicates: int = 0
    late: int = 0
    rejected: int = 0
    exemplars: int = 0
    rejected_histograms: int = 0


@dataclass(frozen=True, slots=True)
class OpenReport:
    """The result of opening.

    replayed    samples read from the log
    torn_bytes  bytes after the last whole record of the log: a write that a crash interrupted
    damaged     losses until the store is repaired: places in the log that cannot be read although
                records follow, segments of the log that are missing or truncated, blocks that are
                missing or of a wrong size
    degraded    files that are damaged or missing without a loss, such as one of the two manifests
    orphans     samples lost because the record that names their series is damaged
    removed     files that belong to no block: a flush that a crash interrupted
    interrupted the last process that had the store open, if it did not close it: it was killed, or
                the power was cut
    """

    replayed: int = 0
    torn_bytes: int = 0
    damaged: tuple[str, ...] = ()
    orphans: int = 0
    removed: tuple[str, ...] = ()
    seconds: float = 0.0
    interrupted: str = ""
    degraded: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether recovery lost no data."""
        return not (self.torn_bytes or self.damaged or self.orphans)

    def __str__(self) -> str:
        """Return one line for a log."""
        parts = [f"{self.replayed} samples read back from the log in {self.seconds:.2f} s"]
        if self.interrupted:
            parts.insert(0, f"{self.interrupted} did not close it")
        if self.torn_bytes:
            parts.append(f"{self.torn_bytes} bytes of an unfinished write cut off")
        if self.damaged:
            parts.append(f"lost or unreadable: {', '.join(self.damaged)}")
        if self.degraded:
            parts.append(f"damaged without a loss: {', '.join(self.degraded)}")
        if self.orphans:
            parts.append(f"{self.orphans} samples lost with the names of their series")
        if self.removed:
            parts.append(f"left by an unfinished flush and removed: {', '.join(self.removed)}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Figures of a database at one moment.

    head_samples  samples in memory; duplicates count once as far as they were sorted
    head_bytes    memory that these samples take
    duplicates    samples replaced by a later one of the same series and time
    conflicts     those of them that had another value
    cache         hits, misses and entries of decoded pages and samples; bytes of all that is cached
    """

    version: int = 0
    blocks: int = 0
    block_samples: int = 0
    block_bytes: int = 0
    head_series: int = 0
    head_samples: int = 0
    head_bytes: int = 0
    duplicates: int = 0
    conflicts: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    log_segment: int = 0
    cache: CacheStats = field(default_factory=lambda: CacheStats(0, 0, 0, 0, 0))
