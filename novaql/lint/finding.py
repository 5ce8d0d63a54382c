"""One piece of advice."""

from __future__ import annotations

from enum import StrEnum

from novaql.fast_dataclass import dataclass
from novaql.span import Span


class Severity(StrEnum):
    """ERROR: the answer is wrong or always empty. WARNING: the query is probably unintended. INFO:
    there is a better form."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding of a rule; the linter adds rule, line and column."""

    severity: Severity
    message: str
    span: Span
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A remark with its place in the text.

    rule          name of the rule, "missing-le"
    line, column  from 1; `length` in characters
    suggestion    the text to write instead, or None
    """

    rule: str
    severity: Severity
    message: str
    line: int
    column: int
    length: int
    suggestion: str | None = None

    def __str__(self) -> str:
        hint = f"; {self.suggestion}" if self.suggestion else ""
        return f"{self.line}:{self.column}: {self.severity}: {self.message}{hint} ({self.rule})"
