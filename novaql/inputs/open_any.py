"""Anything that holds samples, but is no `Source` yet → a stream of batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

from novaql.errors import InputError
from novaql.inputs.batch_stream import BatchStream, Progress, no_progress
from novaql.inputs.exposed_options import AS_EXPOSED, ExposedOptions
from novaql.inputs.file_options import AS_THEY_LOOK, FileOptions
from novaql.inputs.files import read_paths
from novaql.inputs.source_stream import source_stream
from novaql.inputs.tables.column_roles import BY_NAME, Columns
from novaql.inputs.tables.frames import is_frame, read_frame
from novaql.tsdb.model.samples import Batch

WHAT_IS_READ = (
    "a path, a list of paths, an http:// address, a pandas or polars frame, a DuckDB relation, "
    "an Arrow table, a tsdb database or another Source"
)


def open_stream(
    data: Any,
    columns: Columns = BY_NAME,
    *,
    default_time_ms: int | None = None,
    progress: Progress = no_progress,
    exposed: ExposedOptions = AS_EXPOSED,
    files: FileOptions = AS_THEY_LOOK,
) -> BatchStream:
    """Batches of a file, several files, an address, a frame or a batch.

    default_time_ms  time of text samples that have none, scraped or of a file (None: now)
    exposed          what targets are asked for, and what is made of their samples

    Raises `InputError`, at once or while the batches are read.
    """
    if isinstance(data, Batch):
        return BatchStream(iter([data]))
    if is_remote_read_url(data):
        from novaql.inputs.prometheus.remote_read import RemoteReadSource  # noqa: PLC0415 - http

        return source_stream(RemoteReadSource(data), by_metric=True)
    if is_url(data):
        from novaql.inputs.http.scrape import scrape  # noqa: PLC0415 - http and TLS cost 25 ms

        found = scrape(data, at_ms=default_time_ms, options=exposed)
        if found.error is not None:
            raise InputError(found.error)
        return BatchStream(iter([found.batch]), found.metadata, files=1)
    if isinstance(data, str | os.PathLike):
        paths: list[str | Path] = [Path(data)]
        return read_paths(
            paths,
            columns,
            default_time_ms=default_time_ms,
            progress=progress,
            exposed=exposed,
            files=files,
        )
    if is_path_list(data):
        return read_paths(
            [Path(path) for path in data],
            columns,
            default_time_ms=default_time_ms,
            progress=progress,
            exposed=exposed,
            files=files,
        )
    if is_frame(data):
        return read_frame(data, columns)
    raise InputError(f"{type(data).__name__} cannot be read as metrics; give {WHAT_IS_READ}")


def is_url(data: object) -> TypeGuard[str]:
    """Whether the object is the address of a target to be scraped."""
    return isinstance(data, str) and data.lower().startswith(("http://", "https://"))


def is_remote_read_url(data: object) -> TypeGuard[str]:
    """Whether the object is the address of a remote read, which answers selectors."""
    return is_url(data) and data.partition("?")[0].rstrip("/").endswith("/api/v1/read")


def is_path_list(data: object) -> TypeGuard[Sequence[str | os.PathLike[str]]]:
    """Whether the object is a list of paths with at least one in it."""
    return (
        isinstance(data, list | tuple)
        and len(data) > 0
        and all(isinstance(path, str | os.PathLike) for path in data)
    )
