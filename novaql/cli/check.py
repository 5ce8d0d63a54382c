"""`novaql check`: verify files as promtool does, and databases."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from novaql import tsdb
from novaql.cli.options import FOLDER
from novaql.cli.suggest import files as file_names
from novaql.language.check import did_you_mean
from novaql.rules.check import LINT_FAILED, Checker
from novaql.rules.metrics_lint import lint_metrics
from novaql.rules.names import Names
from novaql.text.labels import printable

LINTS = ("all", "duplicate-rules", "none")
STANDARD_INPUT = "-"

lint_option = click.option(
    "--lint",
    type=click.Choice(LINTS),
    default="duplicate-rules",
    show_default=True,
    help="Problems to report besides errors.",
)
lint_fatal_option = click.option(
    "--lint-fatal", is_flag=True, help="Exit with 3 if a lint finds a problem."
)
names_option = click.option(
    "--names",
    type=click.Choice([kind.value for kind in Names]),
    default=Names.UTF8.value,
    show_default=True,
    help="Allowed names of metrics and labels: any UTF-8, or those before Prometheus 3.",
)


class Checks(click.Group):
    """`novaql check DIR` is `novaql check store DIR`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and os.path.isdir(args[0]):
            args = ["store", *args]
        elif args and args[0] not in self.commands and not args[0].startswith("-"):
            hint = did_you_mean(args[0], tuple(self.commands))
            known = f"none of {', '.join(self.commands)}"
            raise click.UsageError(
                f"{printable(args[0])} is no folder of a database, and {hint or known}", ctx
            )
        return super().resolve_command(ctx, args)


@click.group("check", cls=Checks)
def command() -> None:
    """Check a database, rule files, configuration files, and metrics.

    `novaql check DIR` checks the database in a directory. Exit code: 0 on success, 1 for an error,
    3 if only a lint with --lint-fatal found a problem.
    """


@command.command("store", short_help="Verify every checksum and count of a database.")
@click.argument("directory", metavar="DIR", type=FOLDER)
@click.pass_context
def check_store(ctx: click.Context, directory: Path) -> None:
    """Verify every checksum and every count of a database, also while it is open.

    The command changes nothing. Exit code: 0 if the database is valid, 1 if it is damaged.
    """

    found = tsdb.check(directory)
    for violation in found:
        _to_stderr(str(violation))
    if not found:
        click.echo(f"{directory}: all is well")
    ctx.exit(1 if found else 0)


@command.command("rules")
@click.argument("files", nargs=-1, metavar="[FILE]...", shell_complete=file_names)
@lint_option
@lint_fatal_option
@names_option
@click.pass_context
def check_rules(
    ctx: click.Context, files: tuple[str, ...], lint: str, lint_fatal: bool, names: str
) -> None:
    """Check rule files, or standard input."""
    checker = Checker(click.echo, _to_stderr, lint=lint != "none", names=Names(names))
    for file in files or (STANDARD_INPUT,):
        checker.rules(file)
    ctx.exit(checker.exit_code(lint_fatal=lint_fatal))


@command.command("config", short_help="Check configuration and rule files of Prometheus.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=file_names)
@click.option(
    "--syntax-only", is_flag=True, help="Do not read files that the configuration references."
)
@lint_option
@lint_fatal_option
@names_option
@click.pass_context
def check_config(
    ctx: click.Context,
    files: tuple[str, ...],
    syntax_only: bool,
    lint: str,
    lint_fatal: bool,
    names: str,
) -> None:
    """Check Prometheus configuration files and the rule files that they reference."""
    checker = Checker(click.echo, _to_stderr, lint=lint != "none", names=Names(names))
    for file in files:
        checker.config(file, syntax_only=syntax_only)
    ctx.exit(checker.exit_code(lint_fatal=lint_fatal))


@command.command("metrics")
@click.pass_context
def check_metrics(ctx: click.Context) -> None:
    """Lint a page of metrics on standard input.

    \b
    curl -s http://localhost:9090/metrics | novaql check metrics
    """
    findings = lint_metrics(sys.stdin.buffer.read())
    for finding in findings:
        click.echo(str(finding), err=True)
    ctx.exit(LINT_FAILED if findings else 0)


def _to_stderr(text: str) -> None:
    click.echo(text, err=True)
