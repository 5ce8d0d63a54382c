"""`novaql repl`: the interactive shell."""

from __future__ import annotations

import sys

import click

from novaql.cli.options import data_argument, token_option
from novaql.cli.pipes import claim_standard_input
from novaql.cli.repl.session import Session
from novaql.cli.suggest import files
from novaql.export.missing import needs

with needs("prompt_toolkit", "pygments", extra="repl"):
    from novaql.cli.repl.prompt import lines, loop, terminal


@click.command("repl")
@click.argument("data", nargs=-1, shell_complete=files)
@token_option
def command(data: tuple[str, ...]) -> int:
    """Run queries interactively, with completion, history and charts.

    DATA: a database, files or the URL of a metrics page. Default: $NOVAQL_DATA, else
    ./novaql-data. `.help` lists the commands of the shell.

    \b
    novaql repl metrics.parquet
    echo 'sum(up)' | novaql repl
    """
    claim_standard_input()
    session = Session(data_argument(data))
    if not sys.stdin.isatty():
        return 1 if loop(session, lines()) else 0
    click.echo("NovaQL. A query, or .help; Tab completes, Ctrl-D ends.")
    loop(session, terminal(session))
    return 0
