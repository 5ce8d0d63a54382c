"""Paths → batches of samples: which reader a file needs, and folders and patterns of files."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from novaql.errors import InputError
from novaql.inputs.batch_stream import BatchStream, Progress, no_progress
from novaql.inputs.compression import PACKED_SUFFIXES, open_plain
from novaql.inputs.exposed_options import AS_EXPOSED, ExposedOptions
from novaql.inputs.file_options import AS_THEY_LOOK, FileKind, FileOptions
from novaql.inputs.prometheus.folders import is_data_directory
from novaql.inputs.protobuf.exposition import looks_like_protobuf, read_protobuf
from novaql.inputs.tables.arrow_file import FILE_MAGIC, STREAM_MAGIC, read_arrow_file
from novaql.inputs.tables.column_roles import BY_NAME, Columns
from novaql.inputs.tables.csv_file import read_csv
from novaql.inputs.tables.pair_form import SERIES_SUFFIX, pair_of, read_pair
from novaql.inputs.tables.parquet_file import read_parquet
from novaql.inputs.tables.partitions import is_partition, partition_of, with_partition
from novaql.inputs.text.exposition import is_openmetrics, read_exposition
from novaql.inputs.text.line_files import read_influx, read_json_lines
from novaql.inputs.text.refined import Refinement
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

_BY_SUFFIX = {
    ".parquet": FileKind.PARQUET,
    ".pq": FileKind.PARQUET,
    ".csv": FileKind.CSV,
    ".tsv": FileKind.CSV,
    ".prom": FileKind.TEXT,
    ".om": FileKind.TEXT,
    ".metrics": FileKind.TEXT,
    ".openmetrics": FileKind.TEXT,
    ".txt": FileKind.TEXT,
    ".pb": FileKind.PROTOBUF,
    ".protobuf": FileKind.PROTOBUF,
    ".jsonl": FileKind.JSON_LINES,
    ".ndjson": FileKind.JSON_LINES,
    ".influx": FileKind.INFLUX,
    ".lp": FileKind.INFLUX,
    ".arrow": FileKind.ARROW,
    ".arrows": FileKind.ARROW,
    ".feather": FileKind.ARROW,
}


def read_paths(
    paths: Iterable[str | Path],
    columns: Columns = BY_NAME,
    *,
    default_time_ms: int | None = None,
    progress: Progress = no_progress,
    exposed: ExposedOptions = AS_EXPOSED,
    files: FileOptions = AS_THEY_LOOK,
) -> BatchStream:
    """Batches of all files that the paths, folders and patterns (`*.parquet`) name, in order.

    Folders called `label=value` give their files' series that label, see `partitions`; such
    folders are read with the folder that holds them.

    default_time_ms  time of samples that text files give none (None: now)
    exposed          what is made of the samples of text and protobuf files
    files            how the files are to be read

    Every path is looked at before the first file is read. Raises `InputError`.
    """
    steps: list[_Step] = []
    for path in paths:
        steps.extend(_steps(Path(path).expanduser(), _Manner(columns, exposed, files)))
    stream = BatchStream(iter(()))
    stream.batches = _read_all(steps, stream, default_time_ms, progress)
    return stream


def kind_of(path: Path) -> FileKind:
    """By the end of the name, else by the first bytes. Raises `InputError`."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in PACKED_SUFFIXES:
        suffixes.pop()
    if suffixes and (known := _BY_SUFFIX.get(suffixes[-1])):
        return known
    with open_plain(path) as file:
        head = file.read(4096)
    if head.startswith(b"PAR1"):
        return FileKind.PARQUET
    if head.startswith((FILE_MAGIC, STREAM_MAGIC)):
        return FileKind.ARROW
    if _JSON_LINE.match(head):
        return FileKind.JSON_LINES
    if looks_like_protobuf(head):
        return FileKind.PROTOBUF
    first_line = head.split(b"\n", 1)[0]
    if head.startswith(b"#") or b"{" in first_line:
        return FileKind.TEXT
    if first_line.count(b",") and not any(c < 9 for c in head):
        return FileKind.CSV
    if len(first_line.split()) in (2, 3):
        return FileKind.TEXT
    known_names = ", ".join(_BY_SUFFIX)
    raise InputError(
        f"{path}: neither name nor content tells what this is; files ending in {known_names} "
        "are understood, packed as .gz or .zst too"
    )


_JSON_LINE = re.compile(rb'\s*\{\s*"(?:metric|labels|name|values|value|timestamps?)"\s*:')


@dataclass(frozen=True, slots=True)
class _Manner:
    """How files are read."""

    columns: Columns
    exposed: ExposedOptions
    files: FileOptions


_Reader = Callable[[BatchStream, int | None, Progress], Iterator[Batch]]


class _Step:
    """One file (or pair of files), its size, and how to read it."""

    def __init__(self, size: int, read: _Reader) -> None:
        self.size = size
        self.read = read


def _read_all(
    steps: list[_Step], stream: BatchStream, default_time_ms: int | None, progress: Progress
) -> Iterator[Batch]:
    total = sum(step.size for step in steps)
    before = 0
    for step in steps:
        stream.files += 1

        def here(done: int, of: int, step: _Step = step, before: int = before) -> None:
            progress(before + step.size * done // max(1, of), total)

        yield from step.read(stream, default_time_ms, here)
        before += step.size
        progress(before, total)


def _steps(path: Path, manner: _Manner) -> list[_Step]:
    if path.is_dir():
        if is_data_directory(path):
            return [_prometheus_step(path)]
        return _folder_steps(path, manner)
    if pair := pair_of(path):
        return [_pair_step(*pair)]
    if path.is_file():
        return [_file_step(path, manner.files.kind or kind_of(path), manner)]
    if path.exists():
        raise InputError(f"{path}: pipes and devices are not read, write it to a file first")
    found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    pairs = sorted({pair for one in found if (pair := pair_of(one))})
    single = [one for one in found if pair_of(one) is None and one.is_file()]
    steps = [_file_step(one, manner.files.kind or kind_of(one), manner) for one in single]
    steps.extend(_pair_step(*pair) for pair in pairs)
    if not steps:
        raise InputError(f"{path}: there is no such file or folder")
    return steps


def _folder_steps(folder: Path, manner: _Manner) -> list[_Step]:
    steps = _found_in(folder, manner)
    if not steps:
        raise InputError(f"{folder}: the folder is no database and holds no file of metrics")
    return steps


def _found_in(folder: Path, manner: _Manner) -> list[_Step]:
    steps = []
    for path in sorted(folder.iterdir()):
        if is_partition(path.name) and path.is_dir():
            steps.extend(_found_in(path, manner))
            continue
        pair = pair_of(path)
        if pair is not None:
            if path.name.endswith(SERIES_SUFFIX):
                steps.append(_pair_step(*pair))
            continue
        suffixes = [s.lower() for s in path.suffixes if s.lower() not in PACKED_SUFFIXES]
        if path.is_file() and suffixes and (kind := _BY_SUFFIX.get(suffixes[-1])):
            steps.append(_file_step(path, manner.files.kind or kind, manner))
    return steps


def _prometheus_step(folder: Path) -> _Step:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def read(stream: BatchStream, _: int | None, progress: Progress) -> Iterator[Batch]:
        from novaql.inputs.prometheus.data_directory import (  # noqa: PLC0415 - only for these
            directory_stream,
        )

        found = directory_stream(folder, lambda done, of: progress(size * done // of, size))
        yield from found.batches
        stream.metadata.update(found.metadata)

    return _Step(size, read)


def _pair_step(series: Path, samples: Path) -> _Step:
    def read(_: BatchStream, __: int | None, progress: Progress) -> Iterator[Batch]:
        return with_partition(read_pair(series, samples, progress), partition_of(samples))

    return _Step(samples.stat().st_size, read)


def _file_step(path: Path, kind: FileKind, manner: _Manner) -> _Step:
    partition, precision = partition_of(path), manner.files.precision
    columns = replace(manner.columns, folders=partition)

    def read(stream: BatchStream, time_ms: int | None, progress: Progress) -> Iterator[Batch]:
        match kind:
            case FileKind.PARQUET:
                return read_parquet(path, columns, progress, stream.metadata)
            case FileKind.CSV:
                return read_csv(path, columns, progress)
            case FileKind.ARROW:
                return read_arrow_file(path, columns, progress, stream.metadata)
            case FileKind.JSON_LINES:
                return with_partition(read_json_lines(path, time_ms, progress), partition)
            case FileKind.INFLUX:
                return with_partition(read_influx(path, time_ms, precision, progress), partition)
            case FileKind.TEXT | FileKind.PROTOBUF:
                found = _read_exposed(path, kind, stream, manner.exposed, time_ms, progress)
                return with_partition(found, partition)

    return _Step(path.stat().st_size, read)


def _read_exposed(
    path: Path,
    kind: FileKind,
    stream: BatchStream,
    exposed: ExposedOptions,
    time_ms: int | None,
    progress: Progress,
) -> Iterator[Batch]:
    metadata: dict[str, Metadata] = {}
    created = False
    if kind is FileKind.PROTOBUF:
        batches = read_protobuf(
            path,
            metadata,
            default_time_ms=time_ms,
            progress=progress,
            always_classic=exposed.always_classic,
            starts=exposed.start_timestamps is not False,
        )
    else:
        created = bool(exposed.start_timestamps) and is_openmetrics(path)
        batches = read_exposition(path, metadata, default_time_ms=time_ms, progress=progress)
    yield from Refinement(exposed).stream(batches, metadata, created=created)
    stream.metadata.update(metadata)
