"""An error that parsing finds, without the text of the query."""

from __future__ import annotations

from novaql.errors import QueryError, SyntaxProblem
from novaql.span import Span


class Fault(Exception):
    """A sentence and a place; `located` converts it to the public error. It does not leave this
    package."""

    def __init__(
        self,
        message: str,
        span: Span,
        *,
        suggestion: str | None = None,
        kind: type[QueryError] = SyntaxProblem,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.suggestion = suggestion
        self.kind = kind

    def located(self, text: str) -> QueryError:
        """Return the `QueryError` of this fault in its text."""
        return self.kind(self.message, text, self.span, suggestion=self.suggestion)


def brief(text: str, most: int = 40) -> str:
    """Return a text of the query for use in a sentence: cut if it is long."""
    return text if len(text) <= most else text[: most - 1] + "…"
