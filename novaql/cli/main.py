"""The command group: it has the names and the one-line helps; all else is in the file of each
subcommand."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click
from click.shell_completion import CompletionItem

from novaql.cli.failures import INTERRUPTED, USAGE, note, report, usage_code
from novaql.errors import ArgumentError, NovaqlError
from novaql.lazy_exports import lazy_module
from novaql.text.labels import printable
from novaql.tsdb.errors import StoreError

if TYPE_CHECKING:
    from novaql.language import check
else:  # only mistakes need it
    check = lazy_module("novaql.language.check")


_ABSENT_ELSEWHERE = frozenset({"fcntl", "grp", "pwd", "resource", "termios"})
"""Modules of Python that some systems lack. Only the server needs them."""


class Entry(NamedTuple):
    """The module of a subcommand, its line in the list of commands, and its name in the module."""

    module: str
    help: str
    command: str = "command"


COMMANDS: dict[str, Entry] = {
    "query": Entry("novaql.cli.query", "Run a query over a database, files or a metrics page."),
    "repl": Entry("novaql.cli.repl.command", "Run queries interactively."),
    "import": Entry("novaql.cli.import_files", "Read files or URLs into a database."),
    "export": Entry("novaql.cli.export_samples", "Write samples to a file: Parquet, CSV, text, …"),
    "sql": Entry("novaql.cli.sql", "Run SQL over metrics with DuckDB."),
    "delete": Entry("novaql.cli.delete", "Delete samples from a database."),
    "metrics": Entry("novaql.cli.metrics", "List metrics with type, number of series and help."),
    "series": Entry("novaql.cli.series", "List the series that match."),
    "labels": Entry("novaql.cli.labels", "List label names, or the values of one label."),
    "fmt": Entry("novaql.cli.fmt", "Print queries and rule files in canonical form."),
    "lint": Entry("novaql.cli.lint", "Report probable mistakes in a query."),
    "why-empty": Entry("novaql.cli.why_empty", "Report which part of a query has no data."),
    "complete": Entry("novaql.cli.complete", "List completions at a position in a query."),
    "bench": Entry("novaql.cli.measure", "Measure queries over your own data."),
    "check": Entry("novaql.cli.check", "Check a database, rules, configuration, and metrics."),
    "tsdb": Entry("novaql.cli.tsdb", "Inspect a database: blocks, cardinality, samples."),
    "repair": Entry("novaql.cli.repair", "Repair a damaged database."),
    "snapshot": Entry("novaql.cli.copies", "Copy the current state of a database.", "snapshot"),
    "backup": Entry("novaql.cli.copies", "Create or update a backup of a database.", "backup"),
    "restore": Entry(
        "novaql.cli.copies", "Create a database from a snapshot or backup.", "restore"
    ),
    "test": Entry("novaql.cli.test", "Run unit tests of rules."),
    "serve": Entry("novaql.cli.serve", "Serve a database over HTTP."),
    "mcp": Entry("novaql.cli.mcp", "Serve metrics to agents (MCP), read-only."),
    "probe": Entry("novaql.cli.probe", "Run synthetic checks of a region for a server."),
    "ledger": Entry("novaql.cli.ledger", "Verify exported logs of agents, offline."),
    "admin": Entry("novaql.cli.admin", "Create tenants and tokens for the server."),
    "demo": Entry("novaql.cli.demo", "Start a server with sample data."),
    "promqltest": Entry("novaql.cli.promqltest", "Run Prometheus test scripts."),
    "warmup": Entry("novaql.cli.warmup", "Compile the kernels in advance, once for this machine."),
    "completion": Entry("novaql.cli.completion", "Print the completion script of a shell."),
    "version": Entry("novaql.cli.version", "Print the version."),
}


class LazyGroup(click.Group):
    """Loads the module of a subcommand when the subcommand is called, which keeps a cold start
    short."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        # Collections during the imports would repeatedly traverse objects that all remain:
        # they are a quarter of the time in which the server is imported.
        gc.disable()
        try:
            command: click.Command = getattr(import_module(entry.module), entry.command)
        except ImportError as problem:
            if problem.name not in _ABSENT_ELSEWHERE:
                raise
            raise click.ClickException(
                f"novaql {cmd_name} needs Linux: this Python has no module {problem.name}"
            ) from None
        finally:
            gc.enable()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            hint = check.did_you_mean(name, tuple(COMMANDS)) or "see novaql --help."
            raise click.UsageError(f'No such command "{printable(name[:64])}", {hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # click would load every command to check whether it is hidden.
        names = [
            CompletionItem(name, help=entry.help)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="novaql", message="%(prog)s %(version)s")
def cli() -> None:
    """NovaQL: PromQL over your own data, in this process.

    \b
    novaql import metrics.parquet
    novaql query 'sum by (job) (rate(http_requests_total[5m]))' --start -1h

    Times are RFC 3339, Unix seconds, `now`, or relative such as `-1h`; durations are `5m` or
    seconds. Exit code: 0 on success, 1 for an error in the query or the data, 2 for an error in
    the command line.
    """


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code. All expected failures are handled here."""
    try:
        code = cli.main(list(args), prog_name="novaql", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as problem:
        problem.show()
        if _names_data_without_option(problem):
            note("info", "data is given by an option: --data metrics.parquet")
        return usage_code(problem)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        return _quiet_pipe()
    except ArgumentError as problem:
        report(problem)
        return USAGE
    except (NovaqlError, StoreError, OSError) as problem:
        report(problem)
        return 1
    return code if isinstance(code, int) else 0


def _names_data_without_option(problem: click.ClickException) -> bool:
    """Whether a command line has one word too many, for a command with the option --data."""
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    if context is None or "unexpected extra argument" not in problem.message:
        return False
    return any("--data" in parameter.opts for parameter in context.command.params)


def main() -> None:
    """The console script."""
    if sys.stdout is None:
        report(OSError("standard output is closed"))
        sys.exit(1)
    # A terminal that lacks a character shows an escape instead of stopping the program.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # such as a full disk: `run` has reported it
        _discard_output()
    sys.exit(code)


def _quiet_pipe() -> int:
    """The reader closed the pipe (`novaql … | head`): exit silently."""
    _discard_output()
    return 1


def _discard_output() -> None:
    """Redirect standard output, with its buffer: else the interpreter fails at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
