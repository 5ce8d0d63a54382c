"""`novaql snapshot`: keep a database as it is now, on the same disk."""

from __future__ import annotations

from pathlib import Path

import click

from novaql.cli.copied import told


@click.command("snapshot")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path))
@click.option("--skip-head", is_flag=True, help="Leave out samples that are in no block yet.")
def command(directory: Path, target: Path, skip_head: bool) -> None:
    """Keep a database as it is now in a new directory, while it is in use or not.

    Where the file system has links the copy takes no room of its own and next to no time. It is a
    database: query it, back it up, restore it.

    \b
    novaql snapshot novaql-data before-the-upgrade
    """
    from novaql import tsdb  # noqa: PLC0415 - the store is loaded by the commands that need it

    click.echo(told(tsdb.snapshot(directory, target, log=not skip_head)))
