"""The envelope of answers: `{"status": "success", "data": …}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel
from starlette.responses import Response

from novaql.server.http.json_bytes import json_bytes

MOST_ANNOTATIONS = 10


class PrometheusAnswer(BaseModel):
    """Envelope of a successful answer."""

    status: Literal["success"]
    data: Any
    warnings: list[str] | None = None
    infos: list[str] | None = None


def success(data: bytes, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> Response:
    """A successful answer with encoded JSON as its `data`."""
    body = b'{"status":"success","data":' + data + annotations_json(warnings, infos) + b"}"
    return Response(body, media_type="application/json")


def annotations_json(warnings: Sequence[str], infos: Sequence[str]) -> bytes:
    """The fields after `data`: at most ten warnings and ten infos."""
    tail = b""
    if warnings:
        tail += b',"warnings":' + json_bytes(capped(warnings, "warning"))
    if infos:
        tail += b',"infos":' + json_bytes(capped(infos, "info"))
    return tail


def capped(texts: Sequence[str], word: str) -> list[str]:
    """The first ten texts, and a line with the number of the others."""
    shown = list(texts[:MOST_ANNOTATIONS])
    if more := len(texts) - len(shown):
        shown.append(f"{more} more {word} annotations omitted")
    return shown
