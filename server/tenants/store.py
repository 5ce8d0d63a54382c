"""The store of a tenant's samples."""

from __future__ import annotations

from dataclasses import asdict

from novaql.tsdb import Database

Store = Database
"""On disk or in memory."""


def numeric_stats(store: Store) -> dict[str, float]:
    """Return the numeric statistics of a store, by name; those of its caches are
    `cache_hits`, `cache_bytes` and so on."""
    found = asdict(store.stats())
    found |= {f"cache_{name}": value for name, value in found.pop("cache").items()}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
