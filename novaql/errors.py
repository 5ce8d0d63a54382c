"""All exceptions that novaql raises deliberately.

NovaqlError
├── QueryError            an error in the text: has the text, a span, line and column
│   ├── SyntaxProblem     it does not parse
│   ├── TypeProblem       it parses, but an argument or operand has the wrong type
│   └── UnknownName       a function (or label, or option) of that name does not exist
├── EvaluationError       the query cannot be carried out on this data (duplicate series, …)
├── ArgumentError         an invalid Python, shell or HTTP argument (a bad time, a step of 0)
├── InputError            a file or frame cannot be read as metrics; names the place
├── LimitExceeded         the query is larger than its budget
├── QueryTimeout          it ran longer than allowed
├── QueryCancelled        the caller cancelled it
└── StorageUnavailable    the source failed; __cause__ is the reason
"""

from __future__ import annotations

import traceback

from novaql.span import Span
from novaql.text.unicode import valid_text
from novaql.tsdb.errors import PicklableError

_HIDDEN = frozenset({"novaql", "IPython", "ipykernel"})
"""Packages of which notebooks show no lines."""


class NovaqlError(PicklableError):
    """Base class of all errors of NovaQL. All of them pickle, also across processes."""

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows: those of the caller, and the message."""
        stack = self.__traceback__
        frames = zip(traceback.walk_tb(stack), traceback.extract_tb(stack), strict=True)
        outside = [
            line
            for (frame, _), line in frames
            if frame.f_globals.get("__name__", "").partition(".")[0] not in _HIDDEN
        ]
        shown = f"{type(self).__name__}: {self}"
        return "".join([*traceback.format_list(outside), shown]).splitlines()


class QueryError(NovaqlError):
    """The query text has an error.

    message     one sentence without position
    text        the whole query
    span        the position; `line` and `column` are its start, from 1
    suggestion  a similar, correct alternative, or None
    """

    def __init__(
        self, message: str, text: str, span: Span, *, suggestion: str | None = None
    ) -> None:
        self.message = valid_text(message)
        self.text = text
        self.span = span
        self.suggestion = None if suggestion is None else valid_text(suggestion)
        self.line, self.column = span.position(text)
        super().__init__(self.explain())

    def relocate(self, text: str, span: Span) -> None:
        """Set another text, and the position in it."""
        self.text, self.span = text, span
        self.line, self.column = span.position(text)
        self.args = (self.explain(),)

    @property
    def length(self) -> int:
        return max(1, self.span.end - self.span.start)

    @property
    def sentence(self) -> str:
        """Message and suggestion, without position."""
        return f"{self.message}, {self.suggestion}" if self.suggestion else self.message

    def explain(self) -> str:
        """Return position, message and the query with a caret below the error."""
        return f"{self.line}:{self.column}: {self.sentence}\n{self.span.picture(self.text)}"


class SyntaxProblem(QueryError):
    """The text does not parse."""


class TypeProblem(QueryError):
    """An expression does not have the type that its position requires."""


class UnknownName(QueryError):
    """There is no function of this name."""


class Located(NovaqlError):
    """A failure of a running query, with its position in the text if known.

    message  one sentence without position
    text     the whole query if the position is known; else empty
    span     the position, or None. `line` and `column` are its start, from 1
    reason   why, where the message, which is Prometheus's, does not say; else empty
    """

    def __init__(self, message: str, span: Span | None = None, *, reason: str = "") -> None:
        self.message = valid_text(message)
        self.text = ""
        self.span = span
        self.reason = valid_text(reason)
        super().__init__(self.message)

    def locate(self, text: str) -> None:
        """Set the query text of the span. Later calls have no effect."""
        self.text = self.text or text

    def relocate(self, text: str, span: Span) -> None:
        """Set another text, and the position in it."""
        self.text, self.span = text, span

    @property
    def line(self) -> int | None:
        return self.span.position(self.text)[0] if self.span is not None and self.text else None

    @property
    def column(self) -> int | None:
        return self.span.position(self.text)[1] if self.span is not None and self.text else None

    def explain(self) -> str:
        """Return position, message and the query with a caret; only the message if there is no
        position."""
        sentence = f"{self.message}: {self.reason}" if self.reason else self.message
        if self.span is None or not self.text:
            return sentence
        line, column = self.span.position(self.text)
        return f"{line}:{column}: {sentence}\n{self.span.picture(self.text)}"


class EvaluationError(Located):
    """The query is well-formed, but it cannot be evaluated, or not on this data."""


class ArgumentError(NovaqlError, ValueError):
    """An argument other than the query text is invalid. `argument` is its name."""

    def __init__(self, argument: str, message: str) -> None:
        self.argument = argument
        super().__init__(f"{argument}: {message}")


class InputError(NovaqlError):
    """Data could not be read as metrics. The message names the file, line or column."""


class LimitExceeded(Located):
    """The query needs more than its budget allows. The message names the limit and its value."""


class QueryTimeout(NovaqlError):
    """The query ran longer than its timeout."""


class QueryCancelled(NovaqlError):
    """The caller cancelled the query."""


class StorageUnavailable(NovaqlError):
    """The data source failed."""
