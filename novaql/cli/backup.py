"""`novaql backup`: bring a copy of a database up to date."""

from __future__ import annotations

from pathlib import Path

import click

from novaql import tsdb
from novaql.cli.copied import summary


@click.command("backup")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path))
def command(directory: Path, target: Path) -> None:
    """Create or update a backup of a database, also while it is in use.

    TARGET is new, empty, or an earlier backup of the same database. To update a backup, the command
    writes only new data and removes deleted data. The earlier backup is valid until the new one is
    complete.

    \b
    novaql backup novaql-data /mnt/backup/fleet
    novaql restore /mnt/backup/fleet novaql-data
    """

    click.echo(summary(tsdb.backup(directory, target)))
