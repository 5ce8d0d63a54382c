"""`novaql repair`: make a damaged database consistent, and retain all that can be read."""

from __future__ import annotations

from pathlib import Path

import click

from novaql import tsdb
from novaql.cli.options import FOLDER


@click.command("repair")
@click.argument("directory", metavar="DIR", type=FOLDER)
@click.pass_context
def command(ctx: click.Context, directory: Path) -> None:
    """Repair a damaged database. No other process may write to it meanwhile.

    The command deletes nothing: it moves damaged files to DIR/damaged, and preserves their readable
    samples in the database. Exit code: 0 if the database is now valid, 1 if problems remain.

    \b
    novaql check novaql-data || novaql repair novaql-data
    """

    done = tsdb.repair(directory)
    for problem in done.found:
        click.echo(f"damaged: {problem}")
    for moved in done.moved:
        click.echo(f"moved: {moved}")
    for written in done.written:
        click.echo(f"written: {written}, with what can be read")
    for missing in done.missing:
        click.echo(f"missing: {missing}")
    for problem in done.left:
        click.echo(f"still damaged: {problem}", err=True)
    if not done.left:
        click.echo("repaired" if done.found else "nothing to repair")
    ctx.exit(1 if done.left else 0)
