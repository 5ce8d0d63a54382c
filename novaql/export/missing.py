"""The error for a library that an export needs and that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from novaql.errors import NovaqlError


class MissingLibrary(NovaqlError, ImportError):
    """An optional library is not installed. The message names the extra that brings it."""


@contextmanager
def needs(library: str, *, extra: str) -> Iterator[None]:
    """Turn an `ImportError` of `library` inside the block into advice."""
    try:
        yield
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] != library:
            raise
        raise MissingLibrary(
            f"{library} is not installed; pip install 'novaql[{extra}]' brings it", name=library
        ) from problem
