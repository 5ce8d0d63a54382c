"""Paths → batches of samples: files, folders and patterns of files, in order."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.batch_stream import BatchStream, Progress
from novaql.inputs.database_folders import is_database
from novaql.inputs.file_formats import (
    BY_KIND,
    FileFormat,
    MetadataOf,
    format_by_name,
    format_of,
    read_file,
)
from novaql.inputs.prometheus.folders import is_data_directory
from novaql.inputs.read_options import DEFAULTS, FileKind, ReadOptions
from novaql.inputs.tables.pair_form import SERIES_SUFFIX, pair_of, read_pair
from novaql.inputs.tables.partitions import is_partition, partition_of, with_partition
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.samples import Batch

if TYPE_CHECKING:
    from novaql.inputs.prometheus import data_directory
else:
    data_directory = lazy_module("novaql.inputs.prometheus.data_directory")

_MISSING = "there is no such file or folder"
_HOST_AND_PORT = re.compile(r"[\w.-]{2,}:\d{1,5}(/|$)", re.ASCII)
"""The beginning of an address that lacks its `http://`."""


def read_paths(paths: Iterable[str | Path], options: ReadOptions = DEFAULTS) -> BatchStream:
    """Batches of all files that the paths, folders and patterns (`*.parquet`) name, in order.

    The name of a folder `label=value` is a label of the series in it, see `partitions`; such
    folders are read with the folder above them. Every path is checked before the first file is
    read. Raises `InputError`.
    """
    steps: list[_Step] = []
    for path in paths:
        steps.extend(_steps(Path(path).expanduser(), options))
    stream = BatchStream(iter(()))
    stream.batches = _read_all(steps, stream, options)
    return stream


def parquet_files(paths: Iterable[str | Path]) -> list[Path] | None:
    """The files that `read_paths` would read, if all of them are Parquet, and none is of a pair;
    else None. Raises `InputError`."""
    steps = [step for path in paths for step in _steps(Path(path).expanduser(), DEFAULTS)]
    found = [step.parquet for step in steps if step.parquet is not None]
    return found if len(found) == len(steps) else None


@dataclass(frozen=True, slots=True)
class _Step:
    """One file, pair of files or data directory: its size in bytes, and its reader.

    parquet  the path of a Parquet file
    """

    size: int
    read: Callable[[ReadOptions, MetadataOf], Iterator[Batch]]
    parquet: Path | None = None


def _read_all(steps: list[_Step], stream: BatchStream, options: ReadOptions) -> Iterator[Batch]:
    total = sum(step.size for step in steps)
    before = 0
    for step in steps:
        stream.files += 1
        progress = _progress_of_part(options.progress, before, step.size, total)
        yield from step.read(replace(options, progress=progress), stream.metadata)
        before += step.size
        options.progress(before, total)


def _progress_of_part(progress: Progress, before: int, size: int, total: int) -> Progress:
    return lambda done, of: progress(before + size * done // max(1, of), total)


def _steps(path: Path, options: ReadOptions) -> list[_Step]:
    if path.is_dir():
        return [_prometheus_step(path)] if is_data_directory(path) else _folder_steps(path, options)
    if pair := pair_of(path):
        return [_pair_step(*pair)]
    if path.is_file():
        return [_file_step(path, options)]
    if path.exists():
        raise InputError(f"{path}: pipes and devices are not read, write it to a file first")
    found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    pairs = sorted({pair for one in found if (pair := pair_of(one))})
    steps = [_file_step(one, options) for one in found if pair_of(one) is None and one.is_file()]
    steps.extend(_pair_step(*pair) for pair in pairs)
    if not steps:
        more = f"; an address is written http://{path}" if _HOST_AND_PORT.match(str(path)) else ""
        missing = "no file matches this pattern" if glob.has_magic(str(path)) else _MISSING
        raise InputError(f"{path}: {missing}{more}")
    return steps


def _folder_steps(folder: Path, options: ReadOptions) -> list[_Step]:
    if is_database(folder):
        raise InputError(
            f"{folder} is a database, which is read alone: it cannot be combined with other data; "
            "novaql export writes its samples to a file"
        )
    steps = _steps_inside(folder, options)
    if not steps:
        raise InputError(f"{folder}: the folder is no database and holds no file of metrics")
    return steps


def _steps_inside(folder: Path, options: ReadOptions) -> list[_Step]:
    steps = []
    for path in sorted(folder.iterdir()):
        if is_partition(path.name) and path.is_dir():
            steps.extend(_steps_inside(path, options))
        elif pair := pair_of(path):
            if path.name.endswith(SERIES_SUFFIX):
                steps.append(_pair_step(*pair))
        elif path.is_file() and (form := format_by_name(path)) is not None:
            steps.append(_file_step(path, options, form))
    return steps


def _file_step(path: Path, options: ReadOptions, by_name: FileFormat | None = None) -> _Step:
    kind = options.files.kind
    form = (by_name or format_of(path)) if kind is None else BY_KIND[kind]
    return _Step(
        path.stat().st_size,
        lambda options, metadata: read_file(path, form, options, metadata),
        path if form.kind is FileKind.PARQUET else None,
    )


def _pair_step(series: Path, samples: Path) -> _Step:
    return _Step(
        samples.stat().st_size,
        lambda options, _: with_partition(
            read_pair(series, samples, options.progress), partition_of(samples)
        ),
    )


def _prometheus_step(folder: Path) -> _Step:
    def read(options: ReadOptions, metadata: MetadataOf) -> Iterator[Batch]:
        found = data_directory.directory_stream(folder, options.progress)
        yield from found.batches
        metadata.update(found.metadata)

    return _Step(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()), read)
