"""The grouping labels of a push, from its path: `/metrics/job/JOB/NAME/VALUE/…`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping

import orjson

from novaql.server.errors import InvalidRequest
from novaql.text import excerpt

_SUFFIX = "@base64"
_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


def grouping_labels(job: str, path: str, *, is_encoded: bool) -> dict[str, str]:
    """Return the grouping labels of a path, in order of name. A label with an empty value is no
    label.

    job         the part of the path after `job`; is_encoded: it is in base64
    path        the rest: names and values. The value of a name that ends in `@base64` is decoded

    Raises `InvalidRequest`.
    """
    labels: dict[str, str] = {}
    parts = path.split("/") if path else []
    if len(parts) % 2:
        raise InvalidRequest(f"odd number of components in label string {excerpt(path)!r}")
    for name, value in zip(parts[::2], parts[1::2], strict=True):
        plain = name.removesuffix(_SUFFIX)
        if not _NAME.fullmatch(plain):
            raise InvalidRequest(f"improper label name {excerpt(plain)!r}")
        labels[plain] = value if name == plain else _decoded(plain, value)
    labels["job"] = _decoded("job", job) if is_encoded else job
    if not labels["job"]:
        raise InvalidRequest("job name is required")
    return {name: labels[name] for name in sorted(labels) if labels[name]}


def key_of(labels: Mapping[str, str]) -> str:
    """Return the key of a group: a digest of its grouping labels."""
    return hashlib.sha256(orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _decoded(name: str, value: str) -> str:
    """Decode base64url with or without padding; `=` is the empty text."""
    bare = value.rstrip("=")
    try:
        found = base64.b64decode(bare + "=" * (-len(bare) % 4), b"-_", validate=True)
        return found.decode()
    except (binascii.Error, ValueError):
        raise InvalidRequest(
            f"invalid base64 encoding for label {name}={excerpt(value)!r}"
        ) from None
