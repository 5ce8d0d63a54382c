"""Split an OTLP export into requests that are small enough to decode and convert at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from google.protobuf.descriptor import Descriptor

from novaql import InputError, LimitExceeded
from novaql.inputs import LabelLimits, OtlpDecoder, check_json_memory
from novaql.inputs.protobuf import BYTES, fields
from novaql.server.ingest.delta import DeltaRequest, DeltaSums, TurnNeeded
from novaql.server.ingest.otlp import convert
from novaql.server.ingest.otlp_messages import METRIC, REQUEST, RESOURCE, from_json, from_protobuf
from novaql.server.ingest.otlp_values import Message
from novaql.server.ingest.spool import Incoming, Slices
from novaql.server.pools.writers import BLOCKED

SLICE_BYTES = 64 << 10
MOST_MESSAGE_BYTES = 1 << 20
"""Size limit of a message that is decoded as a whole, such as a data point or a resource."""
MOST_MESSAGES = 2_000_000
"""Limit for the resources, scopes, metrics and points of one export."""
_OFTEN = 1 << 14
_MANY = {
    REQUEST.name: (1,),
    "ResourceMetrics": (2,),
    "ScopeMetrics": (2,),
    "Metric": (5, 7, 9, 10, 11),
    **dict.fromkeys(("Gauge", "Sum", "Histogram", "ExponentialHistogram", "Summary"), (1,)),
}
"""Messages that can be split: name → numbers of the fields that contain their parts."""

_Sized = tuple[Message | None, int]


class OtlpReading:
    """Reads one export; several times, if necessary.

    decoder           reads most points of protobuf
    rejected, reason  number of points that the last reading omitted, and the reason of one of them
    """

    def __init__(
        self,
        data: bytes,
        decoder: OtlpDecoder,
        deltas: DeltaSums,
        limits: LabelLimits,
        *,
        as_json: bool,
    ) -> None:
        self._data = data
        self._decoder = decoder
        self._deltas = deltas
        self._limits = limits
        self._as_json = as_json
        self._request: DeltaRequest | None = None
        self.rejected = 0
        self.reason = ""

    def slices(self) -> Slices:
        """Read the export in slices. Raises `InputError`, `LimitExceeded`."""
        self.leave()
        self.rejected, self.reason = 0, ""
        request = self._request = self._deltas.begin()
        if self._as_json:
            yield from self._converted(_from_json(self._data), request)
            return
        parts = self._decoder.parts(self._data)
        if parts is None:
            yield from self._converted(cut(self._data), request)
            return
        count = [0]
        for part in parts:
            yield Incoming(part.batch, part.metadata, part.octets)
            for left in (cut_metrics(self._data, part.metrics, count), cut(part.points)):
                yield from self._converted(left, request)

    def _converted(self, messages: Iterable[_Sized], request: DeltaRequest) -> Slices:
        for message, octets in messages:
            if message is None:
                yield None
                continue
            try:
                converted = convert(message, request, self._limits)
            except TurnNeeded:
                while not request.try_turn():
                    yield BLOCKED
                converted = convert(message, request, self._limits)
            self.rejected += converted.rejected
            self.reason = self.reason or converted.reason
            yield Incoming(converted.batch(), converted.metadata, octets)

    def commit(self) -> None:
        """Commit the sums of deltas, after the points are stored."""
        if self._request is not None:
            self._request.commit()

    def leave(self) -> None:
        """Release the lock of the sums of deltas."""
        if self._request is not None:
            self._request.leave()
            self._request = None


def _from_json(data: bytes) -> Iterator[_Sized]:
    check_json_memory(data, "the body")
    yield from_json(data), len(data)


def cut(data: bytes) -> Iterator[_Sized]:
    """Split an export into requests of about `SLICE_BYTES`, with their sizes; None: yield to other
    bodies.

    If the parts of a resource, scope or metric are in several requests, each of them repeats it.
    Raises `InputError`, `LimitExceeded`.
    """
    yield from _cut(data, 0, len(data), REQUEST, [0])


def cut_metrics(
    data: bytes, metrics: Sequence[Sequence[int]], count: list[int]
) -> Iterator[_Sized]:
    """The same for some metrics of an export.

    metrics  begin and end of the resource, and of the metric, in order
    count    of messages so far; in and out
    """
    resources: list[Message] = []
    size = 0
    for (first, last), of_resource in groupby(metrics, lambda region: tuple(region[:2])):
        _need_small(last - first)
        resource = {"resource": from_protobuf(data[first:last], RESOURCE)}
        small: list[Message] = []
        resources.append({**resource, "scopeMetrics": [{"metrics": small}]})
        for _, _, begin, end in of_resource:
            if end - begin > SLICE_BYTES:
                if size:  # the points of a series stay in order
                    yield {"resourceMetrics": resources}, size
                    small = []
                    resources, size = [{**resource, "scopeMetrics": [{"metrics": small}]}], 0
                for part, octets in _cut(data, begin, end, METRIC, count):
                    scopes = [{"metrics": [part]}]
                    whole = {"resourceMetrics": [{**resource, "scopeMetrics": scopes}]}
                    yield (None if part is None else whole), octets
                continue
            small.append(from_protobuf(data[begin:end], METRIC))
            size += end - begin
            if size > SLICE_BYTES:
                yield {"resourceMetrics": resources}, size
                small = []
                resources, size = [{**resource, "scopeMetrics": [{"metrics": small}]}], 0
    if size:
        yield {"resourceMetrics": resources}, size


def _cut(data: bytes, at: int, stop: int, kind: Descriptor, count: list[int]) -> Iterator[_Sized]:
    many = _MANY.get(kind.name)
    if stop - at <= SLICE_BYTES or many is None:
        _need_small(stop - at)
        yield from_protobuf(data[at:stop], kind), stop - at
        return
    head = from_protobuf(_without(data, at, stop, many), kind)
    parts: list[Message] = []
    size, empty = 0, True
    for number, wire, first, last in fields(data, at, stop):
        count[0] += 1
        if count[0] % _OFTEN == 0:
            yield None, 0
        if number not in many:
            continue
        if count[0] > MOST_MESSAGES:
            raise LimitExceeded(f"the export has more than {MOST_MESSAGES} messages in it")
        field = kind.fields_by_number[number]
        name, inner, repeated = field.json_name, field.message_type, field.is_repeated
        assert inner is not None
        if wire != BYTES:
            raise InputError(f"byte {first}: a field has wire type {wire}, not {BYTES}")
        is_small = last - first <= SLICE_BYTES and repeated
        if is_small:
            parts.append(from_protobuf(data[first:last], inner))
            size += last - first + 2
            if size < SLICE_BYTES:
                continue
        if parts:
            yield {**head, name: parts}, size
            parts, size, empty = [], 0, False
        if is_small:
            continue
        for part, octets in _cut(data, first, last, inner, count):
            if part is None:
                yield None, 0
            else:
                yield {**head, name: [part] if repeated else part}, octets
                empty = False
    if parts:
        yield {**head, kind.fields_by_number[many[0]].json_name: parts}, size
    elif empty:
        yield head, 0


def _without(data: bytes, at: int, stop: int, numbers: tuple[int, ...]) -> bytes:
    """The fields with other numbers. Raises `LimitExceeded` if they are too large."""
    found, size = [], 0
    for number, _, _, last in fields(data, at, stop):
        if number not in numbers:
            found.append(data[at:last])
            size += last - at
            _need_small(size)
        at = last
    return b"".join(found)


def _need_small(size: int) -> None:
    if size > MOST_MESSAGE_BYTES:
        raise LimitExceeded(f"a message in it has more than {MOST_MESSAGE_BYTES} bytes")
