"""POST /v1/novaql/{parse,format,explain,lint,complete}: analyse a query without evaluating it.

The answer to a query that does not parse is the same 422 with a position as for POST /v1/novaql;
`complete` accepts any text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from novaql import explain, query_options, to_ms
from novaql.complete import complete
from novaql.language import (
    Aggregate,
    Call,
    VectorSelector,
    format,
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
from novaql.server.http.request import context_of
from novaql.server.query.run import run_in_worker
from novaql.server.query.schema import (
    CompletedOut,
    CompleteQuery,
    ExplainedOut,
    ExplainQuery,
    FormattedOut,
    LintedOut,
    LintQuery,
    ParsedOut,
    QueryText,
    Time,
)
from novaql.server.query.syntax_tree import TYPE_WORDS, tree_json
from novaql.server.tenants.store import Store
from novaql.tsdb import MAX_TIME_MS, MIN_TIME_MS

Body = TypeVar("Body", bound=BaseModel)
_HEADERS = {"Cache-Control": "no-store", "Content-Type": "application/json"}


def parse_query(_: Store, body: QueryText) -> dict[str, Any]:
    """The syntax tree of a query, its type, selectors and functions."""
    tree = parse_core(body.query)
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
        "ast": tree_json(tree, body.query),
        "selectors": sorted(selectors, key=lambda s: (s["line"], s["column"])),
        "functions": sorted(functions),
    }


def format_query(_: Store, body: QueryText) -> dict[str, Any]:
    """Format a query in its canonical form, which formatting does not change again."""
    return {"query": format(parse(body.query))}


def explain_query(_: Store, body: ExplainQuery) -> dict[str, Any]:
    """The plan of a query after each rule of the planner."""
    options = query_options(
        time=body.time,
        start=body.start,
        end=body.end,
        step=body.step,
        lookback="5m" if body.lookback is None else body.lookback,
    )
    return {"plan": explain(body.query, options)}


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
    end_ms = MAX_TIME_MS if end is None else to_ms(end, argument="end")
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
        content = await run_in_worker(request, lambda: orjson.dumps(work(store, given)))
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


ROUTES = (
    _tool("parse", parse_query, QueryText, ParsedOut),
    _tool("format", format_query, QueryText, FormattedOut),
    _tool("explain", explain_query, ExplainQuery, ExplainedOut, time=1_700_000_000),
    _tool("lint", lint_query, LintQuery, LintedOut),
    _tool("complete", complete_query, CompleteQuery, CompletedOut, cursor=3),
)
