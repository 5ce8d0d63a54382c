"""The table of file formats: the names and contents by which each is recognised, and its reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.compression import PACKED_SUFFIXES, open_plain
from novaql.inputs.protobuf.exposition import looks_like_protobuf, read_protobuf
from novaql.inputs.read_options import FileKind, ReadOptions
from novaql.inputs.tables.arrow_file import FILE_MAGIC, STREAM_MAGIC, read_arrow_file
from novaql.inputs.tables.csv_file import read_csv
from novaql.inputs.tables.json_rows import has_rows, read_json_rows
from novaql.inputs.tables.parquet_file import read_parquet
from novaql.inputs.tables.partitions import partition_of, with_partition
from novaql.inputs.text.exposition import is_openmetrics, read_exposition
from novaql.inputs.text.line_files import read_influx, read_json_lines
from novaql.inputs.text.refined import Refinement
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

_HEAD_BYTES = 4096
_JSON_LINE = re.compile(rb'\s*\{\s*"(?:[^"\\]++|\\.)*+"\s*:')

MetadataOf = dict[str, Metadata]
Reader = Callable[[Path, ReadOptions, MetadataOf], Iterator[Batch]]
"""Reads a file; adds the metadata in it to the dictionary."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One file format.

    suffixes     ends of file names
    looks_like   whether the first bytes of a file are of this format; the first format in the
                 order of the table counts
    has_columns  whether the columns of `ReadOptions` apply, which then get the labels of folders
    """

    kind: FileKind
    suffixes: tuple[str, ...]
    looks_like: Callable[[bytes], bool]
    read: Reader
    has_columns: bool = False


def format_of(path: Path) -> FileFormat:
    """The format of a file, by its name or else by its first bytes. Raises `InputError`."""
    if (known := format_by_name(path)) is not None:
        return known
    with open_plain(path) as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise InputError(f"{path}: is empty")
    if head.lstrip().startswith(b"["):
        raise InputError(
            f"{path}: is an array of JSON; write one object on each line, as jq -c '.[]' does"
        )
    for each in FORMATS:
        if each.looks_like(head):
            return each
    raise InputError(
        f"{path}: neither name nor content determines the format; files ending in "
        f"{', '.join(_BY_SUFFIX)} are supported, packed as .gz or .zst too"
    )


def format_by_name(path: Path) -> FileFormat | None:
    """The format by the suffix of a file name, without that of compression; None: unknown."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED_SUFFIXES:
        suffixes.pop()
    return _BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def read_file(
    path: Path, form: FileFormat, options: ReadOptions, metadata: MetadataOf
) -> Iterator[Batch]:
    """Batches of a file. The `label=value` folders of its path add labels to its series."""
    partition = partition_of(path)
    if form.has_columns:
        columns = replace(options.columns, folders=partition)
        return form.read(path, replace(options, columns=columns), metadata)
    return with_partition(form.read(path, options, metadata), partition)


def _read_text(path: Path, options: ReadOptions, metadata: MetadataOf) -> Iterator[Batch]:
    created = bool(options.exposed.start_timestamps) and is_openmetrics(path)
    found: MetadataOf = {}
    batches = read_exposition(path, found, options)
    yield from Refinement(options.exposed).stream(batches, found, created=created)
    metadata.update(found)


def _read_json(path: Path, options: ReadOptions, _: MetadataOf) -> Iterator[Batch]:
    if has_rows(path):
        return read_json_rows(path, options.columns, options.progress)
    return read_json_lines(path, options)


def _read_protobuf(path: Path, options: ReadOptions, metadata: MetadataOf) -> Iterator[Batch]:
    found: MetadataOf = {}
    batches = read_protobuf(path, found, options)
    yield from Refinement(options.exposed).stream(batches, found, created=False)
    metadata.update(found)


def _looks_like_csv(head: bytes) -> bool:
    first_line = _first_line(head)
    binary = any(byte < 9 for byte in head)
    return not _has_exposition_marks(head) and b"," in first_line and not binary


def _looks_like_text(head: bytes) -> bool:
    return _has_exposition_marks(head) or len(_first_line(head).split()) in (2, 3)


def _has_exposition_marks(head: bytes) -> bool:
    return head.startswith(b"#") or b"{" in _first_line(head)


def _first_line(head: bytes) -> bytes:
    return head.split(b"\n", 1)[0]


FORMATS = (
    FileFormat(
        FileKind.PARQUET,
        (".parquet", ".pq"),
        lambda head: head.startswith(b"PAR1"),
        lambda path, options, metadata: read_parquet(
            path, options.columns, options.progress, metadata
        ),
        has_columns=True,
    ),
    FileFormat(
        FileKind.ARROW,
        (".arrow", ".arrows", ".feather"),
        lambda head: head.startswith((FILE_MAGIC, STREAM_MAGIC)),
        lambda path, options, metadata: read_arrow_file(
            path, options.columns, options.progress, metadata
        ),
        has_columns=True,
    ),
    FileFormat(
        FileKind.JSON_LINES,
        (".jsonl", ".ndjson"),
        lambda head: _JSON_LINE.match(head) is not None,
        _read_json,
    ),
    FileFormat(FileKind.PROTOBUF, (".pb", ".protobuf"), looks_like_protobuf, _read_protobuf),
    FileFormat(
        FileKind.CSV,
        (".csv", ".tsv"),
        _looks_like_csv,
        lambda path, options, _: read_csv(path, options.columns, options.progress),
        has_columns=True,
    ),
    FileFormat(
        FileKind.TEXT,
        (".prom", ".om", ".metrics", ".openmetrics", ".txt"),
        _looks_like_text,
        _read_text,
    ),
    FileFormat(
        FileKind.INFLUX,
        (".influx", ".lp"),
        lambda head: False,  # its lines may look like those of other formats
        lambda path, options, _: read_influx(path, options),
    ),
)
_BY_SUFFIX = {suffix: form for form in FORMATS for suffix in form.suffixes}
BY_KIND = {form.kind: form for form in FORMATS}
