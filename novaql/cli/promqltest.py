"""`novaql promqltest`: Prometheus's test scripts against this engine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from novaql.promqltest.report import report


@click.command("promqltest")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--quiet", is_flag=True, help="Print only the table, no failures.")
@click.option("--max-diffs", type=int, metavar="N", help="Print at most N failures.")
@click.pass_context
def command(
    ctx: click.Context, files: tuple[Path, ...], quiet: bool, max_diffs: int | None
) -> None:
    """Run test scripts and print what passed and failed; exit 1 on a failure."""
    ctx.exit(report(files, sys.stdout, quiet=quiet, max_diffs=max_diffs))
