"""Limits of the server's own work that no setting changes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Given to `create_app`; tests give smaller ones.

    answer_at_once   bytes of an answer that are made before the first are sent
    export_at_once   audit entries that an export writes while the client waits; a job writes more
    search_work      resources × comparisons of one SCIM search that no index answers
    """

    answer_at_once: int = 1 << 20
    export_at_once: int = 5000
    search_work: int = 20_000


USUAL = Tuning()
