"""`novaql restore`: make a database out of a copy."""

from __future__ import annotations

from pathlib import Path

import click

from novaql import tsdb
from novaql.cli.copied import summary


@click.command("restore")
@click.argument("copy", metavar="COPY", type=click.Path(path_type=Path))
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def command(copy: Path, directory: Path) -> None:
    """Create a database from a snapshot or a backup, which does not change.

    DIR is new or empty. The command first verifies every checksum of the copy. It does not restore
    a damaged copy; repair it first.
    """

    click.echo(summary(tsdb.restore(copy, directory)))
