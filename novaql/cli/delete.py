"""`novaql delete`: samples out of a database."""

from __future__ import annotations

from pathlib import Path

import click

from novaql import tsdb
from novaql.cli.failures import note
from novaql.cli.options import FOLDER, window_options
from novaql.cli.suggest import files, query_words
from novaql.diagnosis import selector_hints
from novaql.inputs.resolve import default_path
from novaql.selectors import matcher_sets


@click.command("delete")
@click.argument(
    "selectors", nargs=-1, required=True, metavar="SELECTOR...", shell_complete=query_words
)
@click.option(
    "--data",
    metavar="DIR",
    type=FOLDER,
    help="The database. Default: $NOVAQL_DATA, else ./novaql-data.",
    shell_complete=files,
)
@window_options("samples")
@click.option("--dry-run", is_flag=True, help="Report what would be deleted, and change nothing.")
@click.option("--clean", is_flag=True, help="Free the disk space at once.")
def command(
    selectors: tuple[str, ...],
    data: Path | None,
    start: int,
    end: int,
    dry_run: bool,
    clean: bool,
) -> None:
    """Delete samples of all series that match any selector.

    The deletion is immediate and permanent, and includes exemplars. The store frees disk space
    later, when it merges blocks, or at once with --clean.

    If a server has the database open, delete with POST /api/v1/admin/tsdb/delete_series instead. A
    --dry-run works beside a server.

    \b
    novaql delete 'up{instance="gone:9100"}' --dry-run
    novaql delete '{job="test"}' --end -30d
    """

    target = default_path() if data is None else data.expanduser()
    sets = matcher_sets(selectors)
    with tsdb.open(target, read_only=True) as database:  # also: is there one at all?
        found = database.delete(sets, start, end, dry_run=True)
        for text in () if found.samples else selector_hints(selectors, database, start, end):
            note("info", text)
    if not dry_run and found.samples:
        with tsdb.open(target) as database:
            found = database.delete(sets, start, end)
            if clean:
                database.clean_tombstones()
    verb = "would delete" if dry_run else "deleted"
    click.echo(f"{verb} {found.samples} samples of {found.series} series from {target}")
