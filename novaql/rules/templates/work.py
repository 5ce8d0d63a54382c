"""Bounds of the work of templates: bytes that they process, time, and cancellation.

One `TemplateWork` serves all templates of an evaluation. Each expansion has its own bound, above
which its result is the text of its failure; the deadline and the cancellation end the whole
evaluation.
"""

from __future__ import annotations

import time

from novaql.cancellation import Cancellation
from novaql.errors import EvaluationError, QueryCancelled, QueryTimeout
from novaql.rules.templates.problems import TemplateFailure

MOST_WORK = 64 << 20
"""Bytes that one expansion may process: arguments and results of functions."""

MOST_TEXT = 64 << 20
"""Characters that all expansions of one evaluation may return together."""

STEP_WORK = 100
"""Bytes that a step counts for."""

VARIABLE_WORK = 8
"""Bytes that each variable counts for when one of them is looked up."""

_LOOKED_AFTER = 256 << 10
"""Bytes of work between two checks of the time limit: some milliseconds."""


class TemplateWork:
    """The work of the templates of one evaluation.

    timeout_s     after which `QueryTimeout` is raised; None: never
    cancellation  after which `QueryCancelled` is raised
    """

    def __init__(
        self, timeout_s: float | None = None, cancellation: Cancellation | None = None
    ) -> None:
        self._timeout_s, self._cancellation = timeout_s, cancellation
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._worked = self._looked = 0
        self._text = 0

    def begin(self) -> None:
        """Begin another expansion."""
        self._worked = self._looked = 0
        self.look()

    def charge(self, size: int) -> None:
        """Count bytes before they are processed. Raises `TemplateFailure` above the limit."""
        self._worked += size
        if self._worked > MOST_WORK:
            raise TemplateFailure(f"the template works on more than {MOST_WORK >> 20} MiB")
        if self._worked - self._looked > _LOOKED_AFTER:
            self._looked = self._worked
            self.look()

    def gave(self, text: str) -> None:
        """Count a result of an expansion. Raises `EvaluationError` if all together are too long."""
        self._text += len(text)
        if self._text > MOST_TEXT:
            raise EvaluationError(
                f"templates return more than {MOST_TEXT >> 20} MiB in one evaluation"
            )

    def look(self) -> None:
        """Raise `QueryCancelled` or `QueryTimeout` if the evaluation must end."""
        if self._cancellation is not None and self._cancellation.cancelled:
            raise QueryCancelled("the query was cancelled")
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise QueryTimeout(f"templates took longer than {self._timeout_s:g} s")
