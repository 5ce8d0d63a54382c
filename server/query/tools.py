"""POST /v1/novaql/{parse,format,explain,lint,complete}: analyse a query without evaluating it.

The answer to a query that does not parse is the same 422 with a position as for POST /v1/novaql;
`complete` accepts any text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from novaql import explain, query_options, to_ms
from novaql.complete import complete
from novaql.language import Aggregate, Call, ValueType, VectorSelector, format, parse, type_of, walk
from novaql.lint import Knowledge, lint
from novaql.server.auth.roles import Role
from novaql.server.errors import invalid
from novaql.server.http.bodies import read_json
from novaql.server.http.data_route import DataRoute, Handler
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
from novaql.server.query.syntax_tree import tree_json
from novaql.tsdb import MAX_TIME_MS, MIN_TIME_MS

RequestModel = TypeVar("RequestModel", bound=BaseModel)
_TYPES = {
    ValueType.SCALAR: "scalar",
    ValueType.VECTOR: "vector",
    ValueType.MATRIX: "matrix",
    ValueType.STRING: "string",
}


async def parse_query(request: Request) -> Response:
    """The syntax tree of a query, its type, selectors and functions."""
    body = await _body(request, QueryText)

    def work() -> dict[str, Any]:
        tree = parse(body.query)
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
            "type": _TYPES[type_of(tree)],
            "ast": tree_json(tree, body.query),
            "selectors": sorted(selectors, key=lambda s: (s["line"], s["column"])),
            "functions": sorted(functions),
        }

    return await _answer(request, work)


async def format_query(request: Request) -> Response:
    """Format a query in its canonical form, which formatting does not change again."""
    body = await _body(request, QueryText)
    return await _answer(request, lambda: {"query": format(parse(body.query))})


async def explain_query(request: Request) -> Response:
    """The plan of a query after each rule of the planner."""
    body = await _body(request, ExplainQuery)
    options = query_options(
        time=body.time,
        start=body.start,
        end=body.end,
        step=body.step,
        lookback="5m" if body.lookback is None else body.lookback,
    )
    return await _answer(request, lambda: {"plan": explain(body.query, options)})


async def lint_query(request: Request) -> Response:
    """Probable mistakes in a query that parses, using what the tenant's data contain."""
    body = await _body(request, LintQuery)
    start_ms, end_ms = _times(body.start, body.end)
    store = context_of(request).store

    def work() -> dict[str, Any]:
        known = Knowledge(store, start_ms, end_ms) if body.data else Knowledge()
        return {"findings": [asdict(finding) for finding in lint(body.query, known)]}

    return await _answer(request, work)


async def complete_query(request: Request) -> Response:
    """Completions at a position of a query: metrics, labels, values, functions, keywords."""
    body = await _body(request, CompleteQuery)
    start_ms, end_ms = _times(body.start, body.end)
    if body.cursor is not None and body.cursor > len(body.query):
        raise invalid("/cursor", "is behind the end of the query")
    store = context_of(request).store

    def work() -> dict[str, Any]:
        found = complete(
            body.query, body.cursor, store, start_ms=start_ms, end_ms=end_ms, limit=body.limit
        )
        return {"completions": [asdict(completion) for completion in found]}

    return await _answer(request, work)


async def _body(request: Request, model: type[RequestModel]) -> RequestModel:
    return await read_json(request, model, limit=context_of(request).settings.max_body_bytes)


async def _answer(request: Request, work: Callable[[], dict[str, Any]]) -> Response:
    content = await run_in_worker(request, lambda: orjson.dumps(work()))
    headers = {"Cache-Control": "no-store", "Content-Type": "application/json"}
    return Response(content, headers=headers)


def _times(start: Time | None, end: Time | None) -> tuple[int, int]:
    start_ms = MIN_TIME_MS if start is None else to_ms(start, argument="start")
    end_ms = MAX_TIME_MS if end is None else to_ms(end, argument="end")
    if end_ms < start_ms:
        raise invalid("/end", "must not be before start")
    return start_ms, end_ms


def _tool(
    name: str,
    handler: Handler,
    body: type[BaseModel],
    answer: type[BaseModel],
    **example: Any,
) -> DataRoute:
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
