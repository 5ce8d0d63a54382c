"""The endpoints of a pushgateway: `/metrics/job/JOB/NAME/VALUE/…`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from novaql.server.auth.roles import Role
from novaql.server.errors import InvalidRequest
from novaql.server.http.body_reader import media_type
from novaql.server.http.data_route import DataRoute, Handler
from novaql.server.http.request import context_of, principal_of
from novaql.server.http.unit_of_work import in_unit
from novaql.server.ingest.body import Body, store_body
from novaql.server.ingest.metadata_limits import BodyMetadata
from novaql.server.ingest.spool import append
from novaql.server.pools.writers import Steps
from novaql.server.pushes import service
from novaql.server.pushes.grouping import grouping_labels
from novaql.server.pushes.samples import Pushed, read_push
from novaql.server.tenants.context import ServerContext
from novaql.server.tenants.label_limits import label_limits
from novaql.tsdb import Batch, Metadata

_TEXT, _PROTOBUF = "text/plain", "application/vnd.google.protobuf"
_ENCODINGS = ("gzip", "zstd")


async def push_replacing(request: Request) -> Response:
    """Replace all metrics of a group by the pushed ones.

    The path has the labels of the group: the job, then pairs of a name and a value, which replace
    labels of the metrics. A value is in base64url if its name ends in `@base64`, also
    `/metrics/job@base64/…`. The body is Prometheus text, or metric families in protobuf, without
    timestamps. The server stores the samples now and at intervals, until the group is deleted, and
    adds `push_time_seconds` and `push_failure_time_seconds`.
    """
    return await _push(request, replaces=True)


async def push(request: Request) -> Response:
    """Replace those metrics of a group that have the same names as the pushed ones.

    Everything else is as for PUT.
    """
    return await _push(request, replaces=False)


async def push_delete(request: Request) -> Response:
    """Delete a group. Its series get a stale marker; their earlier samples remain."""
    labels = _labels(request)
    found = await in_unit(request, lambda unit: service.delete(unit, labels), writes=True)
    if found is not None:
        await _store(request, found)
    return Response(status_code=202)


async def _push(request: Request, *, replaces: bool) -> Response:
    labels = _labels(request)
    delimited = media_type(request) == _PROTOBUF
    read = partial(_read, labels=labels, delimited=delimited)
    pushed = await store_body(request, _ENCODINGS, read)
    if pushed.problem:
        failed = await in_unit(request, lambda unit: service.fail(unit, labels), writes=True)
        await _store(request, failed)
        raise InvalidRequest(
            f"pushed metrics are invalid or inconsistent with existing metrics: {pushed.problem}"
        )
    batch = await in_unit(
        request, lambda unit: service.push(unit, labels, pushed, replaces=replaces), writes=True
    )
    await _store(request, batch, pushed.metadata)
    return Response(status_code=200)


def _labels(request: Request) -> dict[str, str]:
    route, path = request.scope["route"].path, request.path_params
    return grouping_labels(
        path["job"], path.get("labels", ""), is_encoded=route.startswith(_ENCODED)
    )


def _read(
    context: ServerContext, body: Body, *, labels: Mapping[str, str], delimited: bool
) -> Steps[Pushed]:
    return (yield from read_push(body, labels, label_limits(context.settings), delimited=delimited))


async def _store(
    request: Request, batch: Batch, metadata: Mapping[str, Metadata] | None = None
) -> None:
    context = context_of(request)

    def work() -> None:
        if metadata:
            found = BodyMetadata()
            found.add(metadata)
            context.store.set_metadata(found.of_metrics)
        append(context, batch)

    await context.pools.ingest.run(principal_of(request).tenant_id, work)


async def push_replacing_labelled(request: Request) -> Response:
    """Replace all metrics of a group with further labels, as for a group of a job alone."""
    return await push_replacing(request)


async def push_labelled(request: Request) -> Response:
    """Replace metrics of a group with further labels, as for a group of a job alone."""
    return await push(request)


async def push_delete_labelled(request: Request) -> Response:
    """Delete a group with further labels, as for a group of a job alone."""
    return await push_delete(request)


def _row(verb: str, path: str, handler: Handler) -> DataRoute:
    pushes = verb != "DELETE"
    return DataRoute(
        (verb,),
        path,
        handler,
        Role.OPERATOR,
        "ingest",
        errors=(400, 409, 413, 415, 503) if pushes else (400, 503),
        success=200 if pushes else 202,
        takes=(_TEXT, _PROTOBUF) if pushes else (),
        documented=not path.startswith(_ENCODED),
        counted=True,
    )


_PLAIN, _ENCODED = "/metrics/job/{job}", "/metrics/job@base64/{job}"
ROUTES = tuple(
    _row(verb, f"{base}{rest}", handler)
    for base in (_PLAIN, _ENCODED)
    for rest, handlers in (
        ("", (push_replacing, push, push_delete)),
        ("/{labels:path}", (push_replacing_labelled, push_labelled, push_delete_labelled)),
    )
    for verb, handler in zip(("PUT", "POST", "DELETE"), handlers, strict=True)
)
