"""`novaql promqltest`: Prometheus's test scripts against this engine."""

from __future__ import annotations

import click

from novaql.promqltest import main


@click.command(
    "promqltest",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="FILE...")
@click.pass_context
def command(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Run test scripts and print what passed and failed; exit 1 on a failure."""
    ctx.exit(main(list(arguments)))
