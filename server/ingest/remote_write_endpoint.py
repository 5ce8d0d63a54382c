"""Remote write, 1.0 and 2.0."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from novaql.fast_dataclass import dataclass
from novaql.server.errors import INTERNAL, InvalidRequest, UnsupportedMedia, kind_of
from novaql.server.http.body_reader import media_type
from novaql.server.http.problem import problem_response
from novaql.server.http.query import parameters_of
from novaql.server.http.request import request_id_of
from novaql.server.ingest.body import Body, store_body
from novaql.server.ingest.intake import Intake, intake_of
from novaql.server.ingest.partial_write import ValidSeries
from novaql.server.ingest.spool import Slices, spooled
from novaql.server.ingest.write_parts import Parts, parts_1, parts_2
from novaql.server.pools.writers import Steps
from novaql.server.tenants.context import ServerContext

_PROTO = "application/x-protobuf"
_VICTORIA = "get_vm_proto_version"
_Cut = Callable[[memoryview, Intake], Parts]
"""Splits a message into parts."""


def _cut_1(data: memoryview, intake: Intake) -> Parts:
    return parts_1(data, intake.remote_write, intake.limits)


def _cut_2(data: memoryview, intake: Intake) -> Parts:
    return parts_2(data, intake.remote_write, intake.limits)


_VERSIONS: dict[str, _Cut] = {
    "": _cut_1,
    "prometheus.writerequest": _cut_1,
    "io.prometheus.write.v2.request": _cut_2,
}


@dataclass(frozen=True, slots=True)
class Written:
    """Counts of stored samples. left_out: message about omitted ones; "": none"""

    samples: int = 0
    histograms: int = 0
    exemplars: int = 0
    left_out: str = ""

    def headers(self) -> dict[str, str]:
        """The headers that remote write 2.0 requires, also for a rejected message."""
        start = "X-Prometheus-Remote-Write"
        return {
            f"{start}-Samples-Written": str(self.samples),
            f"{start}-Histograms-Written": str(self.histograms),
            f"{start}-Exemplars-Written": str(self.exemplars),
        }


async def write(request: Request) -> Response:
    """Store a remote-write message, 1.0 or 2.0: protobuf, compressed with snappy.

    If some series are invalid, the server stores the others and answers with a 400. The headers
    contain the numbers of stored samples, histograms and exemplars. A message compressed with zstd
    uses VictoriaMetrics' protocol, which vmagent detects by `get_vm_proto_version`.
    """
    if _VICTORIA in parameters_of(request):
        return Response("1", media_type="text/plain")
    store = partial(_store, cut=_version(request))
    try:
        written = await store_body(request, ("snappy", "zstd"), store, usual="snappy")
        if written.left_out:
            return _refusal(request, InvalidRequest(written.left_out), written)
    except Exception as problem:
        if kind_of(problem) is INTERNAL:
            raise
        return _refusal(request, problem, Written())
    return Response(status_code=204, headers=written.headers())


def _refusal(request: Request, problem: Exception, written: Written) -> Response:
    answer = problem_response(problem, request.scope["path"], request_id_of(request))
    answer.headers.update(written.headers())
    return answer


def _version(request: Request) -> _Cut:
    proto = ""
    for part in request.headers.get("content-type", "").split(";")[:0:-1]:
        key, _, value = part.strip().partition("=")
        if key.lower() == "proto":
            proto = value.strip('"').lower()
    if media_type(request) not in (_PROTO, "") or proto not in _VERSIONS:
        raise UnsupportedMedia(
            f"remote write is taken here: {_PROTO};proto=prometheus.WriteRequest "
            "or proto=io.prometheus.write.v2.Request",
            headers=Written().headers(),
        )
    return _VERSIONS[proto]


def _store(context: ServerContext, body: Body, *, cut: _Cut) -> Steps[Written]:
    """Decode a message and store its valid series. Runs in writer threads.

    Raises `InputError` or `BodyTooLarge`, without storing any sample, or a `StoreError`.
    """
    data = body.message()
    valid = ValidSeries()

    def read() -> Slices:
        nonlocal valid
        valid = ValidSeries()
        with closing(cut(data, intake_of(context))) as parts:
            yield from valid.of(parts)
            valid.need_some()

    stored = yield from spooled(context, read)
    left_out = valid.left_out()
    if stored.late:
        many = "1 sample is" if stored.late == 1 else f"{stored.late} samples are"
        of_samples = f"{many} older than this store accepts"
        left_out = f"{left_out}; {of_samples}" if left_out else f"partial write: {of_samples}"
    return Written(stored.samples, stored.histograms, stored.exemplars, left_out)
