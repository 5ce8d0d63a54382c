"""`novaql snapshot`: keep a database as it is now, on the same disk."""

from __future__ import annotations

from pathlib import Path

import click

from novaql import tsdb
from novaql.cli.copied import summary


@click.command("snapshot")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path))
@click.option("--skip-head", is_flag=True, help="Omit samples that are not in a block yet.")
def command(directory: Path, target: Path, skip_head: bool) -> None:
    """Copy the current state of a database to a new directory, also while it is in use.

    On file systems with hard links, the copy takes almost no disk space and time. The copy is a
    database: you can query it, back it up and restore it.

    \b
    novaql snapshot novaql-data before-the-upgrade
    """

    click.echo(summary(tsdb.snapshot(directory, target, log=not skip_head)))
