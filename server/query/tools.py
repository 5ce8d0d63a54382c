"""POST /v1/novaql/{parse,format,explain,lint,complete}: analyse a query without evaluating it;
`why-empty` evaluates its parts. GET /v1/novaql/functions.

The answer to a query that does not parse is the same 422 with a position as for POST /v1/novaql;
`complete` accepts any text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from novaql import Cancellation, QueryOptions, bound, explain, explain_nodes, query_options, to_ms
from novaql.complete import complete
from novaql.diagnosis import explain_empty
from novaql.language import (
    Aggregate,
    Call,
    Let,
    VectorSelector,
    format_expr,
    function_entries,
    parse,
    parse_core,
    type_of,
    walk,
)
from novaql.lint import Knowledge, lint
from novaql.server.auth.roles import Role
from novaql.server.errors import invalid
from novaql.server.http.bodies import read_json
from novaql.server.http.data_route import DataRoute
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.query import check_query
from novaql.server.http.request import context_of
from novaql.server.query.run import run_in_worker, within_budget
from novaql.server.query.schema import (
    CompletedOut,
    CompleteQuery,
    ExplainedOut,
    FormatQuery,
    FormattedOut,
    FunctionsOut,
    LintedOut,
    LintQuery,
    ParsedOut,
    QueryText,
    Time,
    TimedQuery,
    WhyEmptyOut,
)
from novaql.server.query.syntax_tree import TYPE_WORDS, tree_json
from novaql.server.tenants.store import Store
from novaql.tsdb import MAX_TIME_MS, MIN_TIME_MS

Body = TypeVar("Body", bound=BaseModel)
_HEADERS = {"Cache-Control": "no-store", "Content-Type": "application/json"}


def parse_query(_: Store, body: QueryText) -> dict[str, Any]:
    """The syntax tree of a query, its type, selectors and functions."""
    tree, written = parse_core(body.query), parse(body.query)
    named = any(isinstance(node, Let) for node in walk(written))  # names are put in
    selectors, functions = [], set()
    for node in walk(tree):
        match node:
            case VectorSelector():
                line, column = node.span.position(body.query)
                words = body.query[node.span.start : node.span.end]
                place = {"line": line, "column": column, "length": len(words)}
                selectors.append({"text": words, "metric": node.name, **place})
            case Call():
                functions.add(node.function)
            case Aggregate():
                functions.add(node.op)
    return {
        "type": TYPE_WORDS[type_of(tree)],
        "ast": tree_json(tree if named else written, body.query),
        "selectors": sorted(selectors, key=lambda s: (s["line"], s["column"])),
        "functions": sorted(functions),
    }


def format_query(_: Store, body: FormatQuery) -> dict[str, Any]:
    """Format a query in its canonical form, which formatting does not change again."""
    return {"query": format_expr(parse(body.query), style=body.style)}


def explain_query(_: Store, body: TimedQuery) -> dict[str, Any]:
    """The plan of a query after each rule of the planner, and its nodes with their places."""
    options = _options(body)
    return {
        "plan": explain(body.query, options, params=body.params),
        "nodes": explain_nodes(body.query, options, params=body.params),
    }


def _options(body: TimedQuery) -> QueryOptions:
    return query_options(
        time=body.time,
        start=body.start,
        end=body.end,
        step=body.step,
        lookback="5m" if body.lookback is None else body.lookback,
    )


def lint_query(store: Store, body: LintQuery) -> dict[str, Any]:
    """Probable mistakes in a query that parses, using what the tenant's data contain."""
    times = _times(body.start, body.end)
    known = Knowledge(store, *times) if body.data else Knowledge()
    return {"findings": lint(body.query, known)}


def complete_query(store: Store, body: CompleteQuery) -> dict[str, Any]:
    """Completions at a position of a query: metrics, labels, values, functions, keywords."""
    start_ms, end_ms = _times(body.start, body.end)
    if body.cursor is not None and body.cursor > len(body.query):
        raise invalid("/cursor", "is behind the end of the query")
    found = complete(
        body.query, body.cursor, store, start_ms=start_ms, end_ms=end_ms, limit=body.limit
    )
    return {"completions": found}


def _times(start: Time | None, end: Time | None) -> tuple[int, int]:
    start_ms = MIN_TIME_MS if start is None else to_ms(start, argument="start")
    end_ms = MAX_TIME_MS if end is None else to_ms(end, argument="end", end=True)
    if end_ms < start_ms:
        raise invalid("/end", "must not be before start")
    return start_ms, end_ms


def _tool(
    name: str,
    work: Callable[[Store, Body], dict[str, Any]],
    body: type[Body],
    answer: type[BaseModel],
    **example: Any,
) -> DataRoute:
    """The route of a tool, whose `work` runs in a worker thread."""

    @wraps(work)
    async def handler(request: Request) -> Response:
        context = context_of(request)
        given = await read_json(request, body, limit=context.settings.max_body_bytes)
        store = context.store
        content = await run_in_worker(request, lambda: json_bytes(work(store, given)))
        return Response(content, headers=_HEADERS)

    return DataRoute(
        ("POST",),
        f"/v1/novaql/{name}",
        handler,
        Role.READ_ONLY,
        "query",
        errors=(413, 415, 422, 503),
        answer=answer,
        body=body,
        example={"query": "sum by (job) (rate(up[5m]))", **example},
    )


async def why_query_is_empty(request: Request) -> Response:
    """Which parts of a query have no data: the place of each, the reason, and the nearest names
    that have data.

    Evaluates at most a hundred parts of the query, each within the limits of a query, and all
    within its timeout.
    """
    context = context_of(request)
    body = await read_json(request, TimedQuery, limit=context.settings.max_body_bytes)
    store, options = context.store, within_budget(context, _options(body))

    def work(cancellation: Cancellation) -> bytes:
        bounded = within_budget(context, options, cancellation)
        with bound(body.query, body.params) as query:
            found = explain_empty(query.text, store, bounded, cancellation=cancellation)
        return json_bytes(found.of(query))

    assert options.timeout_s is not None
    content = await context.pools.queries.run(request, work, timeout_s=options.timeout_s)
    return Response(content, headers=_HEADERS)


async def list_functions(request: Request) -> Response:
    """All functions and aggregators: signature, parameters, meaning, examples, origin."""
    check_query(request, None)
    return Response(_functions(), headers=_HEADERS)


@cache
def _functions() -> bytes:
    return json_bytes({"functions": function_entries()})


ROUTES = (
    _tool("parse", parse_query, QueryText, ParsedOut),
    _tool("format", format_query, FormatQuery, FormattedOut),
    _tool("explain", explain_query, TimedQuery, ExplainedOut, time=1_700_000_000),
    _tool("lint", lint_query, LintQuery, LintedOut),
    _tool("complete", complete_query, CompleteQuery, CompletedOut, cursor=3),
    DataRoute(
        ("POST",),
        "/v1/novaql/why-empty",
        why_query_is_empty,
        Role.READ_ONLY,
        "query",
        errors=(413, 415, 422, 503),
        answer=WhyEmptyOut,
        body=TimedQuery,
        example={"query": "sum(rate(up[5m]))", "time": 1_700_000_000},
    ),
    DataRoute(
        ("GET",),
        "/v1/novaql/functions",
        list_functions,
        Role.READ_ONLY,
        "query",
        answer=FunctionsOut,
        samples=False,
    ),
)
