"""Reads the log into a head, and reports what cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from pathlib import Path

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.codec.columns import Undecodable
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.head.exemplar_buffer import ExemplarRing
from novaql.tsdb.head.float_run import NO_FLOATS, FloatSamples, joined
from novaql.tsdb.head.head import Head
from novaql.tsdb.head.histogram_run import NativeSamples
from novaql.tsdb.model.exemplars import SeriesExemplars
from novaql.tsdb.model.flat_arrays import grown
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.parts.tombstones import Tombstone
from novaql.tsdb.wal.bulk_decode import decode_plain_records, is_plain
from novaql.tsdb.wal.record import (
    RECORD,
    SEGMENT_HEADER,
    Damage,
    MetadataRecord,
    SeriesRecord,
    decode,
    is_end,
    read_records,
)
from novaql.tsdb.wal.writer import segment_name

log = logging.getLogger("tsdb")

_WAITING_SAMPLES = 1 << 16
"""The number of samples of small records that are added to the head together."""


@dataclass(slots=True)
class Replay:
    """The result of reading the log.

    torn     segment → end of its last whole record, if other bytes follow
    damaged  segment → (place, problem) of unreadable bytes that records follow
    orphans  samples that are lost since the record of their series is damaged
    ends     segment → end of its last whole record; 0 if the header is not whole
    unended  segment → its end, if that is no closing record: its writer was killed, or it was
             truncated later
    """

    samples: int = 0
    torn: dict[int, int] = field(default_factory=dict)
    torn_bytes: int = 0
    damaged: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    orphans: int = 0
    ends: dict[int, int] = field(default_factory=dict)
    unended: dict[int, int] = field(default_factory=dict)
    metadata: dict[str, Metadata] = field(default_factory=dict)


def replay(
    disk: Disk,
    folder: Path,
    store: bytes,
    numbers: Iterable[int],
    head: Head,
    tombstones: Sequence[Tombstone] = (),
    exemplars: ExemplarRing | None = None,
) -> Replay:
    """Add the samples of these segments to a head, oldest first, without deleted ones.

    tombstones  oldest first
    exemplars   receives the exemplars; None: drop them

    Raises `OSError` if a segment cannot be read at all.
    """
    result = Replay()
    ring = ExemplarRing(0) if exemplars is None else exemplars
    waiting = list(tombstones)
    for number in numbers:
        while waiting and waiting[0].log_before <= number:
            _apply(waiting.pop(0), head, ring)
        path = folder / segment_name(number)
        data = disk.read_all(path)
        if len(data) > SEGMENT_HEADER.size:  # a large log takes seconds
            log.info("%s is replayed: %d bytes", path, len(data))
        _replay_segment(data, store, number, head, ring, result)
    for tombstone in waiting:
        _apply(tombstone, head, ring)
    return result


def _apply(tombstone: Tombstone, head: Head, ring: ExemplarRing) -> None:
    head.delete(tombstone.deletion)
    ring.delete(tombstone.deletion)


def _replay_segment(
    data: bytes, store: bytes, number: int, head: Head, ring: ExemplarRing, result: Replay
) -> None:
    head_ids: Ints = np.empty(0, np.int64)  # id in the segment → id in the head; -1: unknown
    end = min(len(data), SEGMENT_HEADER.size)
    ended = False
    waiting = _SmallRecords(head, result)
    for item in read_records(data, store, number):
        if isinstance(item, Damage):
            _note_damage(item, number, end, result)
            continue
        offset, payload = item
        end = offset + RECORD.size + len(payload)
        if is_plain(payload):
            ended = False
            waiting.put_plain(payload, head_ids)
            continue
        try:
            record = decode(payload)
        except Undecodable as problem:
            result.damaged.setdefault(number, []).append((f"offset {offset}", str(problem)))
            continue
        ended = is_end(record)
        match record:
            case SeriesRecord(ids=ids, table=table):
                waiting.empty(head_ids)  # a later record may redefine ids
                head_ids = _declared(head_ids, ids, table, head)
            case FloatSamples():
                waiting.put(record, head_ids)
            case NativeSamples(ids=ids):
                waiting.empty(head_ids)
                own, there = _own_ids(head_ids, ids, result)
                if len(own):
                    head.add(NO_FLOATS, replace(record.take(there), ids=own))
                    head.sort_backlog()
            case SeriesExemplars():
                ring.add(record)
            case MetadataRecord(metadata=metadata):
                result.metadata.update(metadata)
    waiting.empty(head_ids)
    result.ends[number] = result.torn.get(number, end)
    if not ended:
        result.unended[number] = end


class _SmallRecords:
    """Collects the samples of small records, to decode and add them to the head together."""

    def __init__(self, head: Head, result: Replay) -> None:
        self._head, self._result = head, result
        self._waiting: list[FloatSamples] = []
        self._plain: list[bytes] = []
        self._samples = 0

    def put(self, record: FloatSamples, head_ids: Ints) -> None:
        if len(record.ids) == 0:
            return
        self._decode_plain()
        self._waiting.append(record)
        self._samples += len(record.ids)
        if self._samples >= _WAITING_SAMPLES:
            self.empty(head_ids)

    def put_plain(self, payload: bytes, head_ids: Ints) -> None:
        """Add a plain record; such records are decoded together."""
        if self._plain and self._plain[0][1] != payload[1]:
            self._decode_plain()
        self._plain.append(payload)
        self._samples += len(payload) // 8
        if self._samples >= _WAITING_SAMPLES:
            self.empty(head_ids)

    def _decode_plain(self) -> None:
        if self._plain:
            self._waiting.append(decode_plain_records(self._plain))
            self._plain = []

    def empty(self, head_ids: Ints) -> None:
        """Add everything to the head. head_ids: those of the series of all waiting records."""
        self._decode_plain()
        if not self._waiting:
            return
        floats = joined(self._waiting)
        self._waiting, self._samples = [], 0
        own, there = _own_ids(head_ids, floats.ids, self._result)
        if len(there) < len(floats.ids):
            floats = floats.take(there)
        if len(own):
            self._head.add(floats._replace(ids=own))
            self._head.sort_backlog()


def _note_damage(damage: Damage, number: int, end: int, result: Replay) -> None:
    if damage.tail:
        result.torn[number] = end if damage.offset else 0
        result.torn_bytes += damage.length
    else:
        place = f"offset {damage.offset}", f"{damage.length} bytes are not a record"
        result.damaged.setdefault(number, []).append(place)


def _declared(head_ids: Ints, ids: Ints, table: SeriesTable, head: Head) -> Ints:
    """Return `head_ids` with the series of a record, which the head registers."""
    head_ids = grown(head_ids, int(ids.max(initial=-1)) + 1, -1)
    with head.registry_lock:
        head_ids[ids] = head.registry.ids_of(table)
    return head_ids


def _own_ids(head_ids: Ints, ids: Ints, result: Replay) -> tuple[Ints, Ints]:
    """Return ids in the head of the samples whose series is known, and the positions of these
    samples."""
    if len(ids) == 0:
        return ids, ids
    own = grown(head_ids, int(ids.max()) + 1, -1)[ids]
    there = np.flatnonzero(own >= 0)
    result.orphans += len(own) - len(there)
    result.samples += len(there)
    return own[there], there
