"""State of the ingestion into one store: known series of the decoders, and sums of deltas."""

from __future__ import annotations

import threading
import weakref
from functools import cached_property
from typing import TYPE_CHECKING

from novaql.inputs import (
    ExpositionParser,
    InfluxParser,
    JsonLinesParser,
    OtlpDecoder,
    RemoteWriteDecoder,
)
from novaql.lazy_exports import lazy_module
from novaql.server.ingest.delta import DeltaSums
from novaql.server.settings import Settings
from novaql.server.tenants.context import ServerContext
from novaql.server.tenants.label_limits import label_limits
from novaql.server.tenants.store import Store

if TYPE_CHECKING:
    from novaql.server.ingest import otlp_series
else:  # loads Google's protobuf
    otlp_series = lazy_module("novaql.server.ingest.otlp_series")


class Intake:
    """Decoders that cache the series of earlier requests. `turn` locks the parsers of text.

    Each store has its own, so tenants do not share any of this state.
    """

    def __init__(self, settings: Settings) -> None:
        self.limits = label_limits(settings)
        self.most_bytes = settings.max_decompressed_bytes
        self.turn = threading.Lock()
        self.remote_write = RemoteWriteDecoder(
            most_bytes=settings.max_decompressed_bytes, limits=self.limits
        )
        self.text = ExpositionParser(openmetrics=False, default_time_ms=0, limits=self.limits)
        self.influx = InfluxParser(limits=self.limits)
        self.json_lines = JsonLinesParser(limits=self.limits)
        self.deltas = DeltaSums(most_series=settings.max_delta_series)

    @cached_property
    def otlp(self) -> OtlpDecoder:
        """The decoder of OTLP."""
        return OtlpDecoder(otlp_series.OtlpNames(), limits=self.limits)


_intakes: weakref.WeakKeyDictionary[Store, Intake] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def intake_of(context: ServerContext) -> Intake:
    """The intake of the request's store."""
    with _making:
        found = _intakes.get(context.store)
        if found is None:
            found = _intakes[context.store] = Intake(context.settings)
    return found
