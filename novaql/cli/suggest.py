"""Completions of a shell besides commands and options: files, and words of a query over the data.

A completion reads databases and small files only: it runs at each Tab, and must not wait for a
server or for gigabytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from novaql.errors import NovaqlError
from novaql.inputs.addresses import is_url
from novaql.inputs.database_folders import is_database
from novaql.lazy_exports import lazy_module
from novaql.tsdb.errors import StoreError
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Source

if TYPE_CHECKING:
    from novaql import complete
    from novaql.inputs import resolve
else:  # only a completion needs them
    complete = lazy_module("novaql.complete")
    resolve = lazy_module("novaql.inputs.resolve")

MOST_BYTES = 32 << 20
"""Size of files that a completion reads."""


def files(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Names of files, which the shell itself completes."""
    return [CompletionItem(typed, type="file")]


def query_words(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Texts of a query that continue with a metric, a label, a value or a function."""
    found = complete.complete(typed, None, _source(context.params.get("data")))
    return [
        CompletionItem(typed[: one.start] + one.text + typed[one.end :], help=one.detail)
        for one in found
    ]


def label_names(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Names of labels of the data."""
    source = _source(context.params.get("data"))
    names = [] if source is None else source.label_names([], MIN_TIME_MS, MAX_TIME_MS)
    return [CompletionItem(name) for name in names if name.startswith(typed)]


def _source(data: Sequence[str] | str | None) -> Source | None:
    """The data of a command line; None if a completion does not read it."""
    given = [data] if isinstance(data, str) else list(data or ())
    if not given and not is_database(resolve.default_path()):
        return None
    try:
        if any(is_url(one) or one == "-" or _size(Path(one)) > MOST_BYTES for one in given):
            return None
        return resolve.as_source(given[0] if len(given) == 1 else given or None)
    except (NovaqlError, StoreError, OSError):
        return None


def _size(path: Path) -> int:
    """The size of a file, or of those in a folder; 0 for a database, which is not read as files."""
    if is_database(path):
        return 0
    if path.is_dir():
        return sum(_size(Path(entry)) for entry in os.scandir(path))
    return path.stat().st_size
