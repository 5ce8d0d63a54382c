"""`novaql repl`: the interactive shell."""

from __future__ import annotations

import sys
from zoneinfo import ZoneInfo

import click

from novaql.cli.options import data_argument, data_option, zone_option
from novaql.cli.pipes import claim_standard_input
from novaql.cli.repl.session import Session
from novaql.cli.suggest import files
from novaql.export.missing import needs

with needs("prompt_toolkit", "pygments", extra="repl"):
    from novaql.cli.repl.prompt import lines, loop, terminal


@click.command("repl")
@click.argument("named", nargs=-1, metavar="[DATA]...", shell_complete=files)
@data_option
@zone_option
def command(named: tuple[str, ...], data: tuple[str, ...], zone: ZoneInfo | None) -> int:
    """Run queries interactively, with completion, history and charts.

    DATA is the same as --data. `.help` lists the commands of the shell.

    \b
    novaql repl metrics.parquet
    echo 'sum(up)' | novaql repl
    """
    claim_standard_input()
    session = Session(zone=zone)
    given = data_argument((*named, *data))
    if given is not None:
        session.open(given)
    if not sys.stdin.isatty():
        return 1 if loop(session, lines()) else 0
    click.echo("NovaQL. A query, or .help; Tab completes, Ctrl-D ends.")
    loop(session, terminal(session))
    return 0
