"""`novaql repair`: put a damaged database in order, and keep all that can be read."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("repair")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, directory: Path) -> None:
    """Put a damaged database in order; nobody may write to it meanwhile.

    Nothing is deleted: damaged files go to DIR/damaged, and what can be read of them stays in the
    database. Exit code: 0 when it is in order now, 1 when something is wrong still.

    \b
    novaql check novaql-data || novaql repair novaql-data
    """
    from novaql import tsdb  # noqa: PLC0415 - the store is loaded by the commands that need it

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
