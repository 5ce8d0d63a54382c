"""Copies the samples of a server into a database, range after range; a later run continues."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import orjson

from novaql.errors import InputError
from novaql.export.destination import whole_file
from novaql.fast_dataclass import dataclass
from novaql.inputs.batch_stream import Progress, no_progress
from novaql.inputs.importer import Store, need_storable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

WINDOW_MS = 2 * 3_600_000
OVERLAP_MS = 600_000
"""A later run copies this range again, for samples that arrived late."""

_DAY_MS = 86_400_000


class SyncedStore(Store, Protocol):
    """The part of a database that a copy uses."""

    def sync(self) -> object: ...


class CopiedServer(Protocol):
    """A server that can be copied. Both ends of a range belong to it."""

    @property
    def url(self) -> str: ...
    def metadata(self) -> dict[str, Metadata]: ...
    def oldest_ms(self, last_ms: int) -> int | None: ...
    def has_samples(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> bool: ...
    def batches(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Iterator[Batch]: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was copied, as recorded in a file beside the database.

    url      of the server
    match    selectors, as texts
    start    the start that the caller named; None: the oldest sample
    first_ms, until_ms  the range of which all samples were copied; None: nothing yet
    """

    url: str
    match: tuple[str, ...]
    start: int | None
    first_ms: int | None = None
    until_ms: int | None = None

    def path(self, folder: Path) -> Path:
        """The file for copies of the same server, selectors and start."""
        key = repr((self.url, self.match, self.start)).encode()
        return folder / "imports" / f"{hashlib.sha256(key).hexdigest()[:16]}.json"

    def loaded(self, folder: Path) -> Checkpoint:
        """The checkpoint of an earlier run; itself if there is none. Raises `InputError`."""
        path = self.path(folder)
        try:
            found = orjson.loads(path.read_bytes())
            return replace(self, first_ms=int(found["first_ms"]), until_ms=int(found["until_ms"]))
        except FileNotFoundError:
            return self
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path} is damaged: remove it, and the import starts again") from None

    def save(self, folder: Path) -> None:
        """Replace the file."""
        path = self.path(folder)
        path.parent.mkdir(exist_ok=True)
        with whole_file(path) as out:
            out.write(orjson.dumps(asdict(self)))


@dataclass(frozen=True, slots=True)
class Copied:
    """The result of a copy. samples: also those that the database had already."""

    samples: int
    first_ms: int
    until_ms: int
    seconds: float


def copy_samples(
    database: SyncedStore,
    folder: Path,
    server: CopiedServer,
    *,
    match: Sequence[tuple[str, Sequence[Matcher]]] = (),
    start_ms: int | None = None,
    end_ms: int | None = None,
    progress: Progress | None = None,
) -> Copied | None:
    """Copy samples, from where an earlier copy from the same server has ended.

    folder            of the database: `imports/` in it has a checkpoint, written after each range
    match             selectors, with their texts; none: all metrics
    start_ms, end_ms  both included; None: the oldest sample, and now

    Returns None if the server has no samples. Raises `InputError`; what was copied until then
    stays, and the next call continues there.
    """
    began = time.perf_counter()
    texts = tuple(sorted(text for text, _ in match))
    sets = [list(matchers) for _, matchers in match] or [[]]
    checkpoint = Checkpoint(server.url, texts, start_ms).loaded(folder)
    now = round(time.time() * 1000)
    last = now if end_ms is None else end_ms
    if checkpoint.until_ms is not None and checkpoint.first_ms is not None:
        first = max(checkpoint.first_ms, checkpoint.until_ms + 1 - OVERLAP_MS)
    else:
        oldest = server.oldest_ms(last) if start_ms is None else start_ms
        if oldest is None:
            return None
        first = oldest
        checkpoint = replace(checkpoint, first_ms=first)
    report, samples = progress or no_progress, 0
    for begin, end in _windows(server, sets, first, last):
        for matchers in sets:
            for batch in server.batches(matchers, begin, end):
                need_storable(batch)
                database.append(batch)
                samples += len(batch)
        database.sync()
        reached = min(end, now)  # samples of later times may still be added
        if checkpoint.until_ms is None or reached > checkpoint.until_ms:
            checkpoint = replace(checkpoint, until_ms=reached)
            checkpoint.save(folder)
        report(end - first, last - first)
    if metadata := server.metadata():
        database.set_metadata(metadata)
    return Copied(samples, first, last, time.perf_counter() - began)


def _windows(
    server: CopiedServer, sets: Sequence[list[Matcher]], first_ms: int, last_ms: int
) -> Iterator[tuple[int, int]]:
    """The windows of a range, both ends included: a whole day without samples, then twice as
    long ones up to the next sample, which may be decades later."""
    begin, span = first_ms, _DAY_MS
    while begin <= last_ms:
        end = min(begin + span - 1, last_ms)
        if not any(server.has_samples(one, begin, end) for one in sets):
            yield begin, end
            begin, span = end + 1, 2 * span
        elif span > _DAY_MS:
            span = _DAY_MS
        else:
            for at in range(begin, end + 1, WINDOW_MS):
                yield at, min(at + WINDOW_MS - 1, end)
            begin = end + 1
