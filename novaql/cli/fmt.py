"""`novaql fmt`: canonical text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from novaql.cli.options import text_argument
from novaql.cli.output import destination
from novaql.language import format_expr, parse
from novaql.lazy_exports import lazy_module

if TYPE_CHECKING:
    from novaql.rules import formatting, reading
else:
    formatting = lazy_module("novaql.rules.formatting")  # rules load YAML
    reading = lazy_module("novaql.rules.reading")

RULE_FILES = (".yml", ".yaml")


@click.command("fmt")
@click.argument("texts", nargs=-1, required=True, metavar="EXPR|FILE.yml...")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if any input is not canonical.")
@click.option("--write", is_flag=True, help="Change rule files in place.")
@click.option(
    "--style",
    type=click.Choice(["nested", "pipes"]),
    default="nested",
    show_default=True,
    help="How a query is written: `f(x)` or `x |> f`. Rule files are nested.",
)
@click.pass_context
def command(
    ctx: click.Context,
    texts: tuple[str, ...],
    check: bool,
    write: bool,
    style: Literal["nested", "pipes"],
) -> None:
    """Print a query in canonical form; `-` reads it from standard input.

    In rule files (names that end in .yml or .yaml), the command formats the expressions, and leaves
    everything else unchanged.
    """
    if any(text.endswith(RULE_FILES) for text in texts):
        if not all(text.endswith(RULE_FILES) for text in texts):
            raise click.UsageError("pass either one query or rule files")
        if style != "nested":
            raise click.UsageError("--style is for a query")
        ctx.exit(int(_format_files(texts, check=check, write=write)))
    if len(texts) > 1:
        raise click.UsageError("one query at a time; put it into quotes")
    if write:
        raise click.UsageError("--write is for rule files")
    text = text_argument(texts[0])
    canonical = format_expr(parse(text), style=style)
    if not check:
        click.echo(canonical)
    elif canonical != text.rstrip("\n"):
        ctx.exit(1)


def _format_files(files: tuple[str, ...], *, check: bool, write: bool) -> bool:
    """Print or change rule files. Returns whether --check found one that is not canonical."""
    found = False
    for file in files:
        text = reading.read_text(file)
        canonical = formatting.format_rules(text, file)
        changed = canonical != text
        if check:
            found |= changed
            if changed:
                click.echo(file)
        elif not write:
            click.echo(canonical, nl=False)
        elif changed:
            with destination(str(Path(file))) as out:
                out.write(canonical.encode())
    return found
