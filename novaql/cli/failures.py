"""Errors on stderr: one line, and for a query the picture of the place."""

from __future__ import annotations

import os

import click

from novaql.errors import EvaluationError, QueryError
from novaql.text.labels import printable
from novaql.text.remarks import remark

INTERRUPTED = 130
USAGE = 2


def report(problem: Exception) -> None:
    """Print an error, without control sequences for the terminal."""
    if isinstance(problem, OSError) and problem.strerror:
        where = f"{problem.filename}: " if problem.filename else ""
        text = f"{where}{problem.strerror}"
    elif isinstance(problem, QueryError | EvaluationError):
        text = problem.explain()
    else:
        text = str(problem)
    first, *rest = text.splitlines() or [type(problem).__name__]
    click.echo(_coloured("error: ", "red") + printable(first), err=True)
    indent = "  " if isinstance(problem, QueryError | EvaluationError) else ""
    for line in rest:
        click.echo(indent + printable(line.replace("\t", " ")), err=True)


def note(kind: str, text: str) -> None:
    """A warning or info beside a result."""
    click.echo(_coloured(f"{kind}: ", "yellow") + printable(remark(text)), err=True)


def usage_code(problem: click.ClickException) -> int:
    """2 for a wrong command line; click's own code otherwise."""
    return USAGE if isinstance(problem, click.UsageError) else problem.exit_code


def _coloured(text: str, colour: str) -> str:
    """The text in a colour, which click removes for a file or a pipe; plain with NO_COLOR."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)
