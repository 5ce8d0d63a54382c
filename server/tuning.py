"""Limits of the server's own work that no setting changes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Limits that `create_app` takes as an argument; tests pass smaller ones.

    answer_at_once   bytes of an answer that the server encodes before it sends the first
    json_at_once     bytes of a query's JSON, likewise: about what the encoder writes at a time
    arrow_at_once    bytes of an Arrow stream, likewise: about those of 524 288 points of JSON
    export_at_once   audit entries of an export that the request writes; a job writes larger exports
    search_work      resources × comparisons of one SCIM search without an index
    """

    answer_at_once: int = 1 << 20
    json_at_once: int = 8 << 20
    arrow_at_once: int = 16 << 20
    export_at_once: int = 5000
    search_work: int = 20_000


USUAL = Tuning()
