"""The table of the kinds of data: how each is recognised, and what opens it.

`as_source` (queries) and `open_stream` (imports) look data up here. A new kind is a new row: a test
that opens nothing, and functions of a module that loads when the first data of the kind is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.addresses import (
    is_address,
    is_path,
    is_path_list,
    is_remote_parquet,
    is_url,
    path_of,
)
from novaql.inputs.database_folders import is_database
from novaql.inputs.opened import (
    databases,
    prometheus_folders,
    table_files,
)
from novaql.inputs.prometheus.folders import is_data_directory
from novaql.inputs.tables.frame_types import (
    is_column_dict,
    is_dataset,
    is_file_object,
    is_frame,
    is_frame_list,
    is_table_file,
)
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Source, has_source_methods

if TYPE_CHECKING:
    from novaql.inputs import batch_stream, file_objects, files, read_options, source_stream
    from novaql.inputs.http import servers
    from novaql.inputs.parquet import remote
    from novaql.inputs.tables import datasets, frames, table_lists
else:  # together 40 ms, which a query over a database does not need
    batch_stream = lazy_module("novaql.inputs.batch_stream")
    file_objects = lazy_module("novaql.inputs.file_objects")
    files = lazy_module("novaql.inputs.files")
    read_options = lazy_module("novaql.inputs.read_options")
    source_stream = lazy_module("novaql.inputs.source_stream")
    servers = lazy_module("novaql.inputs.http.servers")
    remote = lazy_module("novaql.inputs.parquet.remote")
    datasets = lazy_module("novaql.inputs.tables.datasets")
    frames = lazy_module("novaql.inputs.tables.frames")
    table_lists = lazy_module("novaql.inputs.tables.table_lists")


@dataclass(frozen=True, slots=True)
class DataKind:
    """One kind of data.

    description  as error messages list it; "": not listed
    matches      whether an object is of this kind
    open_stream  the samples as a stream of batches; None: the kind cannot be imported
    open_source  a source that reads what each selector needs, and the time of samples without one;
                 None, or if it returns None: all batches of the stream, in memory
    """

    description: str
    matches: Callable[[Any], bool]
    open_stream: Callable[[Any, read_options.ReadOptions], batch_stream.BatchStream] | None = None
    open_source: Callable[[Any, int | None], Source | None] | None = None


class HasSource(Protocol):
    """An object with data that queries can read, such as `novaql.Database`."""

    def __novaql_source__(self) -> Source:
        """Return what queries read."""
        ...


def has_source(data: object) -> TypeGuard[HasSource]:
    """Whether the class of an object has the method of `HasSource`."""
    return hasattr(type(data), "__novaql_source__")


def kind_of(data: Any) -> DataKind:
    """The kind of some data. Raises `InputError` if there is none."""
    for kind in KINDS:
        if kind.matches(data):
            return kind
    raise InputError(
        f"{type(data).__name__} cannot be read as metrics; pass {_all_kinds()}{_instead(data)}"
    )


def _instead(data: Any) -> str:
    """A hint for data that callers often pass in a wrong form: how to pass it; "" for all other
    data."""
    if isinstance(data, bytes | bytearray | memoryview):
        return "; bytes are read as a file: io.BytesIO(data)"
    if isinstance(data, list | tuple) and any(map(is_address, data)):
        return "; an address is read alone, not in a list"
    if isinstance(data, list | tuple) and data and isinstance(data[0], dict):
        rows = "pandas.DataFrame(rows) or pyarrow.Table.from_pylist(rows)"
        return f"; of a list of dict, the table is {rows}"
    if isinstance(data, Iterator):
        return f"; a {type(data).__name__} is read as a list: list(data)"
    if hasattr(data, "__array_interface__"):
        return "; an array has no columns: pandas.DataFrame(…) names them"
    return ""


def _path(data: str | os.PathLike[str]) -> Path:
    if not os.fspath(data):  # an unset variable, not the working folder
        raise InputError("the path is empty")
    if isinstance(data, str) and "\n" in data.strip():
        raise InputError(
            "the data is a text of several lines, which is no path; pass its content as a file: "
            "io.StringIO(text)"
        )
    return path_of(data)


def _path_stream(data: Any, options: read_options.ReadOptions) -> batch_stream.BatchStream:
    return files.read_paths([path_of(data)], options)


def _address_source(url: str, default_time_ms: int | None) -> Source:
    options = read_options.ReadOptions(default_time_ms=default_time_ms)
    return servers.server_source(url) or servers.scraped(url, options).collect()


def _address_stream(url: str, options: read_options.ReadOptions) -> batch_stream.BatchStream:
    server = servers.server_source(url)
    return servers.scraped(url, options) if server is None else source_stream.source_stream(server)


KINDS = (
    # Nearly all sources, first because small queries over a database are frequent.
    DataKind("", has_source_methods, open_source=lambda source, _: source),
    DataKind("", has_source, open_source=lambda data, _: data.__novaql_source__()),
    DataKind(
        "",
        is_remote_parquet,
        lambda data, options: remote.remote_source(data, options.columns).stream(),
        lambda data, _: remote.remote_source(data),
    ),
    DataKind(
        "",
        lambda data: is_path(data) and is_database(_path(data)),
        _path_stream,
        lambda data, _: databases.open(_path(data)),
    ),
    DataKind(
        "",
        lambda data: is_path(data) and is_data_directory(_path(data)),
        _path_stream,
        lambda data, _: prometheus_folders.open(_path(data)),
    ),
    DataKind("a path", is_path, _path_stream, lambda data, _: table_files.open([_path(data)])),
    DataKind(
        "a list of paths",
        is_path_list,
        lambda data, options: files.read_paths([path_of(path) for path in data], options),
        lambda data, _: table_files.open([_path(path) for path in data]),
    ),
    DataKind("an http://, https:// or s3:// address", is_url, _address_stream, _address_source),
    DataKind(
        "a pandas or polars frame, a DuckDB relation, an Arrow table",
        is_frame,
        lambda data, options: frames.read_frame(data, options.columns),
    ),
    DataKind(
        "a dataset or scanner of pyarrow",
        is_dataset,
        lambda data, options: datasets.read_dataset(data, options.columns),
        lambda data, _: datasets.dataset_source(data),
    ),
    DataKind(
        "",
        is_table_file,
        lambda data, options: datasets.read_table_file(data, options.columns),
    ),
    DataKind(
        "a list of frames or record batches",
        is_frame_list,
        lambda data, options: table_lists.read_frame_list(data, options.columns),
    ),
    DataKind(
        "a dict of columns",
        is_column_dict,
        lambda data, options: table_lists.read_column_dict(data, options.columns),
    ),
    DataKind(
        "an open file",
        is_file_object,
        lambda data, options: file_objects.read_file_object(data, options),
        lambda data, _: file_objects.file_object_source(data),
    ),
    DataKind(
        "",
        lambda data: isinstance(data, Batch),
        lambda batch, _: batch_stream.BatchStream(iter([batch])),
    ),
    DataKind(
        "a tsdb database or another Source",
        lambda data: isinstance(data, Source),
        open_source=lambda source, _: source,
    ),
)
"""The first kind that matches some data is its kind."""


def _all_kinds() -> str:
    *others, last = [kind.description for kind in KINDS if kind.description]
    return f"{', '.join(others)}, {last}"
