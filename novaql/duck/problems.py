"""Errors and warnings of SQL."""

from __future__ import annotations

from novaql.errors import NovaqlError


class SqlProblem(NovaqlError):
    """DuckDB rejected a statement, with DuckDB's message; or a call of `promql` has an error."""


class SqlNote(UserWarning):
    """A remark on the answer to a statement: warnings and infos of `promql`, tables left out."""
