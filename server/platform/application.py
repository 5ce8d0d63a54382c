"""FastAPI's application, with the rows of the route table in front of its own layers.

FastAPI wraps its router in layers that turn errors into answers, clean up after dependencies, and
look for routes one by one. Rows of the table need none of them: errors become answers at the edge,
and admission and handler are called as they are. So a request meets the middlewares that this
server adds, then the table; what the table does not know goes on to FastAPI's router.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from novaql.server.platform.table import RouteTable


class Application(FastAPI):
    """Routes of `table` first; `app.get(…)` and the like add others behind them."""

    table: RouteTable

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = self.table.before(self.router)
        app = AsyncExitStackMiddleware(app)
        app = ExceptionMiddleware(app, handlers=self.exception_handlers)
        for middleware in reversed(self.user_middleware):
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.middleware_stack is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self.middleware_stack(scope, receive, send)
