"""Encode audit entries as CSV or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from novaql import export
from novaql.server.clock import rfc3339
from novaql.server.crypto.redaction import WRITE_ONLY_URLS, with_short_urls
from novaql.server.db.tables import AuditEntry
from novaql.server.http.json_bytes import json_bytes

COLUMNS = (
    "id",
    "at",
    "actor_type",
    "actor_id",
    "actor_name",
    "action",
    "target_type",
    "target_id",
    "outcome",
    "request_id",
    "ip",
    "user_agent",
    "before",
    "after",
    "diff",
)

MEDIA = {"csv": "text/csv; charset=utf-8; header=present", "json": "application/json"}


def as_json(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """Encode entries as `{"data": [entry, …]}`, the format of the list, in pieces."""
    before = b'{"data":['
    for entry in entries:
        yield before + json_bytes(_plain(entry))
        before = b","
    yield b"]}" if before == b"," else before + b"]}"


def as_csv(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """Encode entries as CSV (RFC 4180) with a header, in pieces. Cells of snapshots and differences
    contain JSON.

    An apostrophe precedes a cell that a spreadsheet would evaluate as a formula.
    """
    yield _row(COLUMNS)
    for entry in entries:
        yield _row(map(_cell, _plain(entry).values()))


def _row(cells: Iterable[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def _plain(entry: AuditEntry) -> dict[str, Any]:
    plain = {name: getattr(entry, name) for name in COLUMNS} | {"at": rfc3339(entry.at)}
    if entry.target_type in WRITE_ONLY_URLS:
        plain |= {name: with_short_urls(plain[name]) for name in ("before", "after", "diff")}
    return plain


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json_bytes(value).decode()
    return export.without_formula(text)
