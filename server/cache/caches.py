"""The caches of a server."""

from __future__ import annotations

from dataclasses import field

from novaql import ResultCache
from novaql.fast_dataclass import dataclass
from novaql.server.cache.keys_in_flight import KeysInFlight
from novaql.server.cache.measurements import MeasurementCache
from novaql.server.cache.response_cache import ResponseCache


@dataclass(frozen=True, slots=True)
class Caches:
    """All caches of a server. docs/design/resources.md has their bounds.

    results         results of range queries
    responses       answers to GETs
    measurements    values of expressions for services and objectives
    keys_in_flight  Idempotency-Keys of requests that run now
    """

    results: ResultCache
    responses: ResponseCache
    measurements: MeasurementCache
    keys_in_flight: KeysInFlight = field(default_factory=KeysInFlight)
