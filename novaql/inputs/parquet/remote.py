"""Parquet files at addresses: https, and the object stores that pyarrow reads (s3, gs, abfs)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from novaql.errors import InputError
from novaql.inputs.addresses import PARQUET_SUFFIXES, is_parquet_url
from novaql.inputs.http.client import without_credentials
from novaql.inputs.http.range_file import RangeFile
from novaql.inputs.parquet.opening import source_of
from novaql.inputs.parquet.source import ParquetSource
from novaql.inputs.parquet.table import ParquetFileAt
from novaql.inputs.tables.column_roles import BY_NAME, Columns
from novaql.inputs.tables.partitions import partition_of
from novaql.lazy_exports import lazy_module

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import fs
else:  # loaded at the first use
    pa = lazy_module("pyarrow")
    fs = lazy_module("pyarrow.fs")

_PATTERN = re.compile(r"[*?[]")


def remote_source(data: str | Sequence[str], columns: Columns = BY_NAME) -> ParquetSource:
    """A source that requests what each selector needs. Raises `InputError`."""
    urls = [data] if isinstance(data, str) else data
    places = [place for url in urls for place in _places(url)]
    found = source_of(places, columns)
    if found is None:
        raise InputError(
            f"{places[0].name}: Parquet files with native histograms are only read from a disk; "
            "copy the file"
        )
    return found


def _places(url: str) -> list[ParquetFileAt]:
    if is_parquet_url(url):
        plain = without_credentials(url)[0]
        folders = partition_of(PurePosixPath(urlsplit(plain).path))
        # Objects of pyarrow lock a file of Python while they read it.
        opened = pa.PythonFile(RangeFile(url), mode="r")
        return [ParquetFileAt(plain.partition("?")[0], lambda: opened, folders, remote=True)]
    try:
        system, path = fs.FileSystem.from_uri(url.replace("gcs://", "gs://", 1))
        names = _names(system, path)
    except (pa.ArrowException, OSError, ValueError) as problem:
        raise InputError(f"{_shown(url)}: {problem}") from problem
    if not names:
        raise InputError(f"{_shown(url)}: there is no Parquet file")
    scheme = url.partition("://")[0]
    return [
        ParquetFileAt(
            f"{scheme}://{name}",
            partial(system.open_input_file, name),
            partition_of(PurePosixPath(name)),
            remote=True,
        )
        for name in names
    ]


def _names(system: fs.FileSystem, path: str) -> list[str]:
    """The files that a path, the path of a folder, or a pattern names."""
    if _PATTERN.search(path):
        parts = path.split("/")
        fixed = next(number for number, part in enumerate(parts) if _PATTERN.search(part))
        selector = fs.FileSelector("/".join(parts[:fixed]), recursive=True)
        names = _parquet_in(system, selector)
        return [name for name in names if _matches(name.split("/"), parts)]
    if path.lower().endswith(PARQUET_SUFFIXES):
        return [path]
    return _parquet_in(system, fs.FileSelector(path.rstrip("/"), recursive=True))


def _parquet_in(system: fs.FileSystem, selector: fs.FileSelector) -> list[str]:
    found = system.get_file_info(selector)
    return sorted(one.path for one in found if one.is_file and one.path.endswith(PARQUET_SUFFIXES))


def _matches(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path matches a pattern, part by part; `**` is any number of folders."""
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(_matches(name[skip:], pattern[1:]) for skip in range(len(name) + 1))
    return bool(name) and fnmatchcase(name[0], pattern[0]) and _matches(name[1:], pattern[1:])


def _shown(url: str) -> str:
    """The address without keys and parameters."""
    plain = url.partition("?")[0]
    scheme, _, rest = plain.partition("://")
    user, at, place = rest.partition("/")[0].rpartition("@")
    return plain if not at else f"{scheme}://{place}{rest[len(user) + len(at) + len(place) :]}"
