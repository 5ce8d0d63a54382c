"""The names of OTLP's series for the compiled walk, which asks for each new one."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.descriptor import Descriptor

from novaql import InputError
from novaql.inputs import OtlpLabels, OtlpMetric, OtlpResource
from novaql.server.ingest.otlp import (
    TARGET_METADATA,
    described,
    is_cumulative,
    point_labels,
    point_samples,
    resource_labels,
)
from novaql.server.ingest.otlp_checks import check_point
from novaql.server.ingest.otlp_messages import METRIC, RESOURCE, SCOPE, from_protobuf
from novaql.tsdb import Metadata


class OtlpNames:
    """Names series as `convert` does. Raises `InputError` for what `convert` has to read."""

    target_metadata: Metadata = TARGET_METADATA

    def check_scope(self, scope: bytes) -> None:
        from_protobuf(scope, SCOPE)

    def resource(self, resource: bytes) -> OtlpResource:
        return OtlpResource(*resource_labels(from_protobuf(resource, RESOURCE)))

    def metric(
        self, resource: OtlpResource, head: bytes, kind: int, temporality: int, *, monotonic: bool
    ) -> OtlpMetric:
        message = from_protobuf(head, METRIC)
        field = METRIC.fields_by_number[kind].json_name
        if not message.get("name") or not is_cumulative(field, temporality):
            raise InputError("its points are converted one by one")
        name, metadata = described(message, field, monotonic=monotonic)
        return OtlpMetric(resource, name, metadata, kind)

    def series(self, metric: OtlpMetric, point: bytes) -> Sequence[OtlpLabels]:
        field = METRIC.fields_by_number[metric.kind]
        message = from_protobuf(point, _point_of(field.message_type))
        check_point(field.json_name, message)
        labels = point_labels(message, dict(metric.resource.labels))
        return [one for one, _ in point_samples(field.json_name, metric.name, message, labels)]


def _point_of(data: Descriptor | None) -> Descriptor:
    assert data is not None
    point = data.fields_by_name["data_points"].message_type
    assert point is not None
    return point
