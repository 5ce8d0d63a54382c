"""Everything novaql raises on purpose.

NovaqlError
├── QueryError            the text is at fault: carries the text, a span, line and column
│   ├── SyntaxProblem     it does not parse
│   ├── TypeProblem       it parses, but an argument or operand has the wrong type
│   └── UnknownName       a function (or label, or option) of that name does not exist
├── EvaluationError       the query cannot be carried out on this data (duplicate series, …)
├── ArgumentError         a Python, shell or HTTP argument is at fault (a bad time, a step of 0)
├── InputError            a file or frame cannot be read as metrics: says where
├── LimitExceeded         the query is larger than its budget
├── QueryTimeout          it ran longer than allowed
├── QueryCancelled        the caller gave up
└── StorageUnavailable    the source failed; __cause__ says how
"""

from __future__ import annotations

from novaql.span import Span


class NovaqlError(Exception):
    """Base of all of them."""


class QueryError(NovaqlError):
    """The query text is at fault.

    message     one sentence without position
    text        the whole query
    span        the place; `line` and `column` are its start, from 1
    suggestion  the nearest thing that would be right, or None
    """

    def __init__(
        self, message: str, text: str, span: Span, *, suggestion: str | None = None
    ) -> None:
        self.message = message
        self.text = text
        self.span = span
        self.suggestion = suggestion
        self.line, self.column = span.position(text)
        super().__init__(self.explain())

    @property
    def length(self) -> int:
        return max(1, self.span.end - self.span.start)

    @property
    def sentence(self) -> str:
        """Message and suggestion, without position."""
        return f"{self.message}, {self.suggestion}" if self.suggestion else self.message

    def explain(self) -> str:
        """Position, sentence and the caret picture."""
        return f"{self.line}:{self.column}: {self.sentence}\n{self.span.picture(self.text)}"


class SyntaxProblem(QueryError):
    """The text does not parse."""


class TypeProblem(QueryError):
    """An expression has another type than its place wants."""


class UnknownName(QueryError):
    """There is no function of this name."""


class Located(NovaqlError):
    """A failure of a running query, at a place of its text where that is known.

    message  one sentence without position
    text     the whole query, where the place is known; else empty
    span     the place, or None. `line` and `column` are its start, from 1
    """

    def __init__(self, message: str, span: Span | None = None) -> None:
        self.message = message
        self.text = ""
        self.span = span
        super().__init__(message)

    def locate(self, text: str) -> None:
        """Tell the query that the span speaks of. The first one told stays."""
        self.text = self.text or text

    @property
    def line(self) -> int | None:
        return self.span.position(self.text)[0] if self.span is not None and self.text else None

    @property
    def column(self) -> int | None:
        return self.span.position(self.text)[1] if self.span is not None and self.text else None

    def explain(self) -> str:
        """Position, sentence and the caret picture; the sentence alone where no place is known."""
        if self.span is None or not self.text:
            return self.message
        line, column = self.span.position(self.text)
        return f"{line}:{column}: {self.message}\n{self.span.picture(self.text)}"


class EvaluationError(Located):
    """The query is well-formed, but it cannot be carried out, or not on this data."""


class ArgumentError(NovaqlError, ValueError):
    """An argument beside the query text is at fault. `argument` names it."""

    def __init__(self, argument: str, message: str) -> None:
        self.argument = argument
        super().__init__(f"{argument}: {message}")


class InputError(NovaqlError):
    """Data could not be read as metrics. The message says which file, line or column."""


class LimitExceeded(Located):
    """The query needs more than its budget allows. The message names the limit and its value."""


class QueryTimeout(NovaqlError):
    """The query ran longer than its timeout."""


class QueryCancelled(NovaqlError):
    """The query was cancelled from outside."""


class StorageUnavailable(NovaqlError):
    """The data source failed."""
