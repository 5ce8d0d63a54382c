"""The error for a library that an export needs and that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from novaql.errors import NovaqlError


class MissingLibrary(NovaqlError, ImportError):
    """An optional library is not installed. The message names the extra that installs it."""


@contextmanager
def needs(*libraries: str, extra: str) -> Iterator[None]:
    """Turn an `ImportError` of one of the libraries inside the block into advice."""
    try:
        yield
    except ImportError as problem:
        missing = (problem.name or "").partition(".")[0]
        if missing not in libraries:
            raise
        raise MissingLibrary(
            f"{missing} is not installed; pip install 'novaql[{extra}]' brings it", name=missing
        ) from problem
