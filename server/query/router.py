"""POST /v1/novaql."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from novaql import Cancellation, Result, bound, explain, query_options
from novaql.diagnosis import with_hints
from novaql.evaluator import Profile
from novaql.server.auth.roles import Role
from novaql.server.http.bodies import read_json
from novaql.server.http.data_route import DataRoute
from novaql.server.http.formats import MEDIA, format_of
from novaql.server.http.request import context_of
from novaql.server.http.streaming import Begun, begin, pieces_response
from novaql.server.query.answer_memory import reserving
from novaql.server.query.formats import encode, refuse_range_vector
from novaql.server.query.run import run_in_worker, run_query
from novaql.server.query.schema import NovaqlAnswer, NovaqlRequest
from novaql.server.query.tools import ROUTES as TOOLS


async def query(request: Request) -> Response:
    """Evaluate a query.

    An instant query has `query` and, optionally, `time`; a range query has `query`, `start`, `end`
    and `step`, of which only `start` has no default. `params` has the values of `$name` in the
    query. `format` or the Accept header selects JSON, CSV or an Arrow IPC stream. The answer to an
    invalid query is a 422 with line, column, length, a suggestion and an excerpt that marks the
    position.
    """
    limit = context_of(request).settings.max_body_bytes
    body = await read_json(request, NovaqlRequest, limit=limit)
    form = format_of(body.format, request.headers.get("accept", ""))
    options = query_options(
        time=body.time,
        start=body.start,
        end=body.end,
        step=body.step,
        timeout=body.timeout,
        lookback="5m" if body.lookback is None else body.lookback,
        rollup=body.rollup,
        strict_promql=body.strict_promql,
    )
    wide = form == "arrow" and body.layout == "wide"
    if body.params is None:
        written = bound(body.query, None)
    else:
        written = await run_in_worker(request, lambda: bound(body.query, body.params))
    text = written.text
    if wide and options.instant:
        with written:
            await run_in_worker(request, lambda: refuse_range_vector(text))

    profile = Profile() if body.explain == "analyze" else None

    cached = not body.nocache and profile is None
    context = context_of(request)

    def shape(result: Result) -> Begun:
        if profile is not None:
            plan = profile.text()
        else:
            plan = explain(text, options) if body.explain else ""
        limit = body.limit or 0
        result = written.result(with_hints(result, text, context.store, options))
        tuning = context.tuning
        pieces = encode(
            result,
            form,
            options,
            limit=limit,
            plan=plan,
            wide_columns=tuning.wide_columns if wide else None,
            guard_formulas=body.guard_formulas,
            memory=reserving(context, Cancellation(), "the text of the labels"),
        )
        at_once = {"arrow": tuning.arrow_at_once, "json": tuning.json_at_once}
        return begin(pieces, at_once.get(form, tuning.answer_at_once))

    with written:
        begun = await run_query(
            request, text, options, shape, form=form, cached=cached, profile=profile
        )
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    return pieces_response(begun, context.pools.queries, media_type=MEDIA[form], headers=headers)


ROUTES = (
    DataRoute(
        ("POST",),
        "/v1/novaql",
        query,
        Role.READ_ONLY,
        "query",
        errors=(406, 413, 415, 422, 503),
        answer=NovaqlAnswer,
        media=("text/csv", "application/vnd.apache.arrow.stream"),
        body=NovaqlRequest,
        example={"query": "sum by (job) (rate(up[5m]))", "time": 1_700_000_000},
    ),
    *TOOLS,
)
