"""`novaql serve`: the HTTP server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from novaql.export.missing import needs
from novaql.server.process.garbage import paused

with (
    paused(),
    needs("fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client", extra="server"),
):
    from novaql.server.addresses import parse_listen
    from novaql.server.process.logs import log_to_stderr
    from novaql.server.process.run import serve
    from novaql.server.settings import Settings


@click.command("serve")
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The database. Default: $NOVAQL_DATA, else ./novaql-data.",
)
@click.option(
    "--listen", metavar="HOST:PORT", help="Default: 127.0.0.1:9490; port 0 selects a free port."
)
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
def command(listen: str | None, no_auth: bool, log_level: str, **arguments: Any) -> None:
    """Serve a database over HTTP, until Ctrl-C or SIGTERM.

    \b
    novaql serve --data fleet --listen 127.0.0.1:9490 --no-auth

    /v1 is the Nova API, /prometheus/api/v1 is Prometheus's API. The first start prints an admin
    token. You can also set options in the environment, for example NOVAQL_PORT.
    """
    # The other options have the names of settings.
    if listen is not None:
        arguments["host"], arguments["port"] = parse_listen(listen)
    if no_auth:
        arguments["auth"] = False
    log_to_stderr(log_level)
    serve(Settings.from_environment(os.environ, **arguments), log_level=log_level)
