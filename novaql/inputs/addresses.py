"""Recognises paths and addresses by their text, without opening anything."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard
from urllib.parse import urlsplit

from novaql.errors import InputError
from novaql.lazy_exports import lazy_module

if TYPE_CHECKING:
    from urllib import request
else:  # 25 ms
    request = lazy_module("urllib.request")

PARQUET_SUFFIXES = (".parquet", ".pq")
_STORE = re.compile(r"(s3|gs|gcs|abfss?)://", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_url(data: object) -> TypeGuard[str]:
    """Whether the object is the http or https address of a server, a page or a file."""
    return isinstance(data, str) and data.lower().startswith(("http://", "https://"))


def is_object_store(data: object) -> TypeGuard[str]:
    """Whether the object is the address of files in an object store."""
    return isinstance(data, str) and _STORE.match(data) is not None


def is_parquet_url(data: object) -> TypeGuard[str]:
    """Whether the object is the http or https address of a Parquet file."""
    return is_url(data) and urlsplit(data).path.lower().endswith(PARQUET_SUFFIXES)


def is_remote_parquet(data: object) -> TypeGuard[str | Sequence[str]]:
    """Whether the object is the address of Parquet files, or a list of such addresses."""
    if isinstance(data, list | tuple):
        return len(data) > 0 and all(map(is_remote_parquet, data))
    return is_object_store(data) or is_parquet_url(data)


def is_address(data: object) -> TypeGuard[str]:
    """Whether the object is an address that is read at once, and not with paths."""
    return is_url(data) or is_object_store(data)


def is_path(data: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether the object is a path, or text other than an address."""
    return isinstance(data, str | os.PathLike) and not is_address(data)


def path_of(data: str | os.PathLike[str]) -> Path:
    """The path in a text, or in a `file://` address. Raises `InputError`."""
    found = _SCHEME.match(os.fspath(data))
    if found is None:
        return Path(data).expanduser()
    address = urlsplit(os.fspath(data))
    if address.scheme != "file" or address.netloc not in ("", "localhost"):
        known = "http://, https://, s3://, gs://, abfs:// and file:///"
        raise InputError(f"{data} cannot be read: addresses are {known}")
    return Path(request.url2pathname(address.path))


def is_path_list(data: object) -> TypeGuard[Sequence[str | os.PathLike[str]]]:
    """Whether the object is a list of paths with at least one in it."""
    return isinstance(data, list | tuple) and len(data) > 0 and all(map(is_path, data))
