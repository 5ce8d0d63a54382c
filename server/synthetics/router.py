"""/v1/synthetics."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Query, Response
from starlette.requests import Request

from novaql.server.errors import invalid
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    BaseUrl,
    Pages,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.request import context_of
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.synthetics import screenshots, service, showing, uptime
from novaql.server.synthetics.checks import checked_synthetic
from novaql.server.synthetics.schema import (
    CreateSynthetic,
    ResultQuery,
    ResultsOut,
    RunStarted,
    RunSynthetic,
    ScreenshotQuery,
    SyntheticOut,
    SyntheticQuery,
    SyntheticsOut,
    UptimeOut,
    UptimeQuery,
)

router = api_router("/v1/synthetics", "synthetics")


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows, slowly")
def list_synthetics(
    unit: UnitOfWork, pages: Pages, query: Annotated[SyntheticQuery, Query()]
) -> SyntheticsOut:
    """The synthetic checks with their state, last result and uptime, oldest first."""
    page = service.find(unit, pages, query)
    shown = showing.checks(unit, page.rows)
    return SyntheticsOut.of(page, lambda check: shown[check.id])


@router.post("", status_code=201, dependencies=[OPERATOR, Depends(checked_synthetic)])
@audited("synthetic.create")
def create_synthetic(unit: UnitOfWork, body: CreateSynthetic, response: Response) -> SyntheticOut:
    """Create a check, and schedule it in each of its regions.

    422 `target_not_allowed` for a target that is not a public address, and `browser_unavailable`
    for a browser flow without a browser. 409 if the name is taken.
    """
    check = service.create(unit, body)
    response.headers["Location"] = f"/v1/synthetics/{check.id}"
    unit.session.flush()
    return showing.check(unit, check)


@router.get(
    "/screenshots/{id}",
    response_class=Response,
    response_model=None,
    responses={
        200: {"content": {"image/png": {}}},
        403: {},
        410: {},
    },
)
async def get_screenshot(
    request: Request, id: ResourceId, query: Annotated[ScreenshotQuery, Query()]
) -> Response:
    """A screenshot. The signed URL of a result authorizes the request until it expires."""
    context = context_of(request)
    png = await context.pools.state.run(lambda: screenshots.opened(context, id, query))
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": f'inline; filename="{id}.png"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(png, headers=headers, media_type="image/png")


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows, slowly")
def get_synthetic(unit: UnitOfWork, id: ResourceId) -> SyntheticOut:
    """One check, without its secrets."""
    return showing.check(unit, service.get(unit, id))


@router.delete("/{id}", status_code=204, dependencies=[OPERATOR])
@audited("synthetic.delete")
def delete_synthetic(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete a check. A running run ends, and its alert resolves.

    Its results and uptime can be read for a while (`synthetic_deleted_s`).
    """
    service.remove(unit, id)


@router.post("/{id}/run", status_code=202, dependencies=[OPERATOR])
@audited("synthetic.run")
def run_synthetic(unit: UnitOfWork, id: ResourceId, body: RunSynthetic) -> RunStarted:
    """Run a check now, outside of its schedule. The results have this `run_id`.

    Manual runs do not count into the uptime of the schedule, nor into alerts. 409 `run_pending` if
    another one waits.
    """
    run_id, regions = service.run(unit, id, body)
    return RunStarted(run_id=run_id, status="queued", regions=list(regions))


@router.get("/{id}/results", dependencies=[READ_ONLY])
@cached(by="rows, slowly")
def list_synthetic_results(
    unit: UnitOfWork,
    pages: Pages,
    id: ResourceId,
    query: Annotated[ResultQuery, Query()],
    base: BaseUrl,
) -> ResultsOut:
    """The results of a check, newest first, with URLs of screenshots that expire."""
    _, page = service.results(unit, pages, id, query)
    shots = screenshots.of_results(unit, [row.id for row in page.rows], base)
    return ResultsOut.of(page, lambda row: showing.result(row, shots.get(row.id, ())))


@router.get("/{id}/uptime", dependencies=[READ_ONLY])
@cached(by="rows, slowly")
def get_synthetic_uptime(
    unit: UnitOfWork, id: ResourceId, query: Annotated[UptimeQuery, Query()]
) -> UptimeOut:
    """The uptime in a window: successful runs / completed runs, exactly; null without runs.

    Blocked, lost and cancelled runs are not completed: `excluded` has their numbers.
    """
    check = service.readable(unit, id)
    end = unit.now() if query.to is None else query.to
    start = end - timedelta(hours=24) if query.from_ is None else query.from_
    if start >= end:
        raise invalid("/from", "must be before `to`")
    end = min(end, unit.now())
    start = min(max(start, check.created_at, uptime.oldest_hour(unit)), end)
    return uptime.of_window(
        unit,
        check.id,
        start,
        end,
        region=query.region,
        manual=query.include_manual == "true",
    )
