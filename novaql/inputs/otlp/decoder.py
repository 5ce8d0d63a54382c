"""Decode OTLP exports by the compiled walk, and cache the series in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np

from novaql.errors import InputError
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.compiled.text_table import Octets
from novaql.inputs.known_series import MOST_SERIES
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.otlp.known_points import KnownPoints
from novaql.inputs.otlp.limits import LARGEST_MESSAGE
from novaql.inputs.otlp.naming import OtlpNaming
from novaql.inputs.otlp.reading import OtlpPart, Reading, Scratch
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.runtime.compiled import Functions

_PART_METRICS = 1 << 12
_MOST_SCOPES = 1 << 10
_MOST_SCOPE_BYTES = 1 << 10
"""Limits of the scopes that are cached as valid."""
_COLUMNS, _SCOPE = 13, slice(11, 13)
"""Columns of a scanned metric, see `scan_kernels.scan_export`."""


class OtlpDecoder:
    """Decodes exports in protobuf, and caches the series in them. Thread-safe.

    most_series  number of cached series above which the cache is cleared
    limits       limits of one part
    """

    def __init__(
        self,
        naming: OtlpNaming,
        *,
        most_series: int = MOST_SERIES,
        limits: LabelLimits = USUAL_LIMITS,
    ) -> None:
        self._naming = naming
        self._most_series = most_series
        self._limits = limits
        self._scopes: set[bytes] = set()
        self._lock = threading.Lock()
        self._known: KnownPoints | None = None
        self._scratch: Scratch | None = None

    def parts(self, data: bytes) -> Iterator[OtlpPart] | None:
        """Decode an export part by part, in little memory; None if compiled code is not ready, or
        the export has an unusual shape or is no export."""
        kernels = WALKS.ready(len(data))
        if kernels is None:
            return None
        octets: Octets = np.frombuffer(data, np.uint8)
        for metrics in _scan(kernels, octets):
            if metrics is None or not self._are_scopes(data, metrics[:, _SCOPE]):
                return None
        return self._parts(kernels, data, octets)

    def _are_scopes(self, data: bytes, regions: Ints) -> bool:
        """Whether some regions are scopes of a usual size. Nothing stores them."""
        changes = np.append(True, (regions[1:] != regions[:-1]).any(axis=1))
        for begin, end in regions[changes].tolist():
            scope = data[begin:end]
            if scope not in self._scopes:
                if len(scope) > LARGEST_MESSAGE:
                    return False
                try:
                    self._naming.check_scope(scope)
                except InputError:
                    return False
                if len(self._scopes) >= _MOST_SCOPES:
                    self._scopes.clear()
                if len(scope) <= _MOST_SCOPE_BYTES:
                    self._scopes.add(scope)
        return True

    def _parts(self, kernels: Functions, data: bytes, octets: Octets) -> Iterator[OtlpPart]:
        for metrics in _scan(kernels, octets):
            assert metrics is not None
            reading = Reading(data, octets, metrics)
            while not reading.ended:
                with self._lock:
                    part = self._run(kernels, reading)
                yield part

    def _run(self, kernels: Functions, reading: Reading) -> OtlpPart:
        known, scratch = self._known, self._scratch or Scratch()
        # An exception that ended the adding of series left them incomplete.
        if known is None or known.adding or known.is_full(self._most_series):
            known = self._known = KnownPoints(kernels, self._naming, self._limits)
        self._scratch = None  # unless this ends without an exception
        reading.number_by(known)
        part = reading.run(kernels, known, scratch)
        self._scratch = scratch
        known.series.note_sent(part.batch)
        return part


def _scan(kernels: Functions, data: Octets) -> Iterator[Ints | None]:
    """The metrics of an export, some at a time; None for an export of another shape."""
    state = np.zeros(8, np.int64)
    while True:
        metrics = np.empty((min(_PART_METRICS, 1 + len(data) // 2), _COLUMNS), np.int64)
        count = kernels.scan_export(data, state, metrics)
        if count < 0:
            yield None
            return
        if count:
            yield metrics[:count]
        if count < len(metrics):
            return
