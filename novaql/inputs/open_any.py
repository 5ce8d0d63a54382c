"""The data argument of imports → a stream of batches."""

from __future__ import annotations

from typing import Any

from novaql.errors import InputError
from novaql.inputs.batch_stream import BatchStream
from novaql.inputs.data_kinds import kind_of
from novaql.inputs.read_options import DEFAULTS, ReadOptions


def open_stream(data: Any, options: ReadOptions = DEFAULTS) -> BatchStream:
    """Batches of a file, several files, an address, a frame or a batch.

    Raises `InputError`, at once or while the batches are read.
    """
    kind = kind_of(data)
    if kind.open_stream is None:
        raise InputError(f"{type(data).__name__} is {kind.description}, which cannot be imported")
    return kind.open_stream(data, options)
