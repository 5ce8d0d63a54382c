"""`novaql serve`: the HTTP server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from novaql.cli.failures import USAGE, report
from novaql.cli.options import FOLDER
from novaql.errors import ArgumentError, NovaqlError
from novaql.export.missing import needs
from novaql.server.process.garbage import paused
from novaql.tsdb.errors import StoreError

with (
    paused(),
    needs("fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client", extra="server"),
):
    from novaql.server.addresses import parse_listen
    from novaql.server.file_modes import create_private_files
    from novaql.server.process import background
    from novaql.server.process.logs import log_to_stderr
    from novaql.server.process.run import print_start, serve
    from novaql.server.settings import Settings


def _lead_to_listen(_: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        example = "such as 127.0.0.1:9491"
        raise click.UsageError(f"{option.opts[0]}: --listen HOST:PORT sets both, {example}")


@click.command("serve")
@click.option(
    "--data",
    metavar="DIR",
    type=FOLDER,
    help="The database. Default: $NOVAQL_DATA, else ./novaql-data.",
)
@click.option(
    "--listen", metavar="HOST:PORT", help="Default: 127.0.0.1:9490; port 0 selects a free port."
)
@click.option("--host", hidden=True, expose_value=False, callback=_lead_to_listen)
@click.option("--port", hidden=True, expose_value=False, callback=_lead_to_listen)
@click.option("--no-auth", is_flag=True, help="Require no token, and serve only this machine.")
@click.option(
    "--sync",
    type=click.Choice(["always", "interval", "os"]),
    help="When to sync writes to disk. Default: interval, every second.",
)
@click.option("--retention", metavar="TIME", help="How long to retain samples. Default: forever.")
@click.option(
    "--rollups",
    metavar="TIME,…",
    help="Compute rollups of these resolutions (5m,1h), for queries over long ranges.",
)
@click.option(
    "--rollup-retention",
    metavar="TIME",
    help="How long to retain rollups after --retention has deleted their samples.",
)
@click.option(
    "--scrape-config",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Scrape the targets of a Prometheus configuration file. Or a folder with a file for each "
    "tenant: acme.yml.",
)
@click.option(
    "--workers",
    metavar="N",
    type=int,
    help="Number of processes that answer requests. Default: 1, this process does everything.",
)
@click.option(
    "--tls-cert",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Serve TLS with this certificate (PEM, with its chain). SIGHUP reloads it.",
)
@click.option(
    "--tls-key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The certificate's key (PEM, without a password).",
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A TOML file with settings. Options and the environment override it. "
    "Default: $NOVAQL_CONFIG.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info"
)
@click.option(
    "--daemon",
    "--wait",
    is_flag=True,
    help="Serve in the background: wait until the server answers, or print the end of its log if "
    "it fails. The log is server/serve.log in the database.",
)
@click.option(
    "--stop", is_flag=True, help="Stop the server that --daemon started, and wait until it has."
)
def command(
    listen: str | None, no_auth: bool, log_level: str, daemon: bool, stop: bool, **arguments: Any
) -> None:
    """Serve a database over HTTP, until Ctrl-C or SIGTERM.

    \b
    novaql serve --data fleet --listen 127.0.0.1:9490
    novaql serve --data fleet --daemon
    novaql serve --data fleet --stop

    /v1 is the Nova API, /prometheus/api/v1 is Prometheus's API. The first start prints an admin
    token. You can also set options in the environment, for example NOVAQL_PORT.
    """
    # The other options have the names of settings.
    if listen is not None:
        arguments["host"], arguments["port"] = parse_listen(listen)
    if no_auth:
        arguments["auth"] = False
    log_to_stderr(log_level)  # it warns of former names of settings
    settings = Settings.from_environment(os.environ, **arguments)
    if stop:
        _stop(settings.data)
        return
    if daemon:
        _start(settings, log_level)
    else:
        serve(settings, log_level=log_level)


def _start(settings: Settings, log_level: str) -> None:
    """Start a server in the background, and print its address."""
    if not hasattr(os, "fork"):
        raise click.UsageError("--daemon: this system cannot fork a process")

    def run(started: background.Started) -> int:
        try:
            serve(settings, started=started, log_level=log_level)
        except ArgumentError as problem:
            report(problem)
            return USAGE
        except (NovaqlError, StoreError, OSError) as problem:
            report(problem)
            return 1
        return 0

    create_private_files()
    log = background.log_file(settings.data)
    try:
        running = background.start(settings.data, run)
    except background.NotStarted as problem:
        click.echo(f"{problem}\nThe server did not start. Above is the end of {log}.", err=True)
        raise click.exceptions.Exit(problem.code or 1) from None
    print_start(running.address, running.token)
    click.echo(f"It is process {running.pid}, and its log is {log}")


def _stop(data: Path) -> None:
    pid = background.stop(data)
    if pid is None:
        raise click.ClickException(f"no server of {data} runs in the background")
    click.echo(f"stopped process {pid}")
