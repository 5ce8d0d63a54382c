"""How the caller names the series of OTLP: called for each new series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.source import Metadata

OtlpLabels = Mapping[str, str]
"""Labels of a series, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class OtlpResource:
    """A resource: `labels` are those of its series, `target` those of its series of attributes that
    are not among them; None: there is none."""

    labels: OtlpLabels
    target: OtlpLabels | None


@dataclass(frozen=True, slots=True, eq=False)
class OtlpMetric:
    """A metric of a resource: the name and the metadata of its series, and the number of the
    field of its data."""

    resource: OtlpResource
    name: str
    metadata: Metadata
    kind: int


class OtlpNaming(Protocol):
    """Names series: called once for each new resource, metric and series. Raises `InputError` if
    the walk is to leave them to its caller."""

    target_metadata: Metadata

    def check_scope(self, scope: bytes) -> None:
        """Raises `InputError` for bytes that are no `InstrumentationScope` message."""
        ...

    def resource(self, resource: bytes) -> OtlpResource:
        """Describe a `Resource` message."""
        ...

    def metric(
        self, resource: OtlpResource, head: bytes, kind: int, temporality: int, *, monotonic: bool
    ) -> OtlpMetric:
        """Describe a metric.

        head  the fields of the `Metric` message that are not its data
        kind  the number of the field of its data
        """
        ...

    def series(self, metric: OtlpMetric, point: bytes) -> Sequence[OtlpLabels]:
        """The labels of the series of a point: one for a number. Of a histogram the buckets, the
        sum, if it has one, and the count."""
        ...
