"""`novaql fmt`: canonical text."""

from __future__ import annotations

import click

from novaql.cli.options import text_argument
from novaql.language import format_expr, parse


@click.command("fmt")
@click.argument("expr")
@click.option("--check", is_flag=True, help="Print nothing; exit 1 if the text is not canonical.")
@click.pass_context
def command(ctx: click.Context, expr: str, check: bool) -> None:
    """Print a query in canonical form; `-` reads it from standard input."""
    text = text_argument(expr)
    canonical = format_expr(parse(text))
    if not check:
        click.echo(canonical)
    elif canonical != text.rstrip("\n"):
        ctx.exit(1)
