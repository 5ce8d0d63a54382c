"""`novaql snapshot`, `backup` and `restore`: copies of a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from novaql import tsdb
from novaql.cli.options import FOLDER

if TYPE_CHECKING:
    from novaql.tsdb import Copied

_PATH = click.Path(path_type=Path)


@click.command("snapshot")
@click.argument("directory", metavar="DIR", type=FOLDER)
@click.argument("target", metavar="TARGET", type=_PATH)
@click.option("--skip-head", is_flag=True, help="Omit samples that are not in a block yet.")
def snapshot(directory: Path, target: Path, skip_head: bool) -> None:
    """Copy the current state of a database to a new directory, also while it is in use.

    On file systems with hard links, the copy takes almost no disk space and time. The copy is a
    database: you can query it, back it up and restore it.

    \b
    novaql snapshot novaql-data before-the-upgrade
    """
    _echo_summary(tsdb.snapshot(directory, target, log=not skip_head))


@click.command("backup")
@click.argument("directory", metavar="DIR", type=FOLDER)
@click.argument("target", metavar="TARGET", type=_PATH)
def backup(directory: Path, target: Path) -> None:
    """Create or update a backup of a database, also while it is in use.

    TARGET is new, empty, or an earlier backup of the same database. To update a backup, the command
    writes only new data and removes deleted data. The earlier backup is valid until the new one is
    complete.

    \b
    novaql backup novaql-data /mnt/backup/fleet
    novaql restore /mnt/backup/fleet novaql-data
    """
    _echo_summary(tsdb.backup(directory, target))


@click.command("restore")
@click.argument("copy", metavar="COPY", type=FOLDER)
@click.argument("directory", metavar="DIR", type=_PATH)
def restore(copy: Path, directory: Path) -> None:
    """Create a database from a snapshot or a backup, which does not change.

    DIR is new or empty. The command first verifies every checksum of the copy. It does not restore
    a damaged copy; repair it first.
    """
    _echo_summary(tsdb.restore(copy, directory))


def _echo_summary(done: Copied) -> None:
    """Print one line: the size of the copy, and how much of it was written."""
    parts = [f"{_counted(done.blocks, 'block')} with {_counted(done.samples, 'sample')}"]
    parts.append(_counted(done.segments, "segment") + " of the log")
    parts.append(f"{done.bytes} bytes, {done.copied} of them written")
    if done.linked:
        parts.append(f"{done.linked} files linked")
    if done.unchanged:
        parts.append(f"{done.unchanged} files were there already")
    click.echo("; ".join(parts))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
