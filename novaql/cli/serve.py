"""`novaql serve`: the HTTP server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from novaql.export.missing import needs

with needs("fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client", extra="server"):
    from novaql.server.addresses import parse_listen
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
    "--listen", metavar="HOST:PORT", help="Default: 127.0.0.1:9490; port 0 takes a free one."
)
@click.option("--no-auth", is_flag=True, help="Ask for no token; then only this machine is served.")
@click.option(
    "--sync",
    type=click.Choice(["always", "interval", "os"]),
    help="When a write reaches the disk. Default: interval, every second.",
)
@click.option("--retention", metavar="TIME", help="How long samples are kept. Default: for ever.")
@click.option(
    "--rollups",
    metavar="TIME,…",
    help="Sum samples up by these resolutions (5m,1h), for queries over long ranges.",
)
@click.option(
    "--rollup-retention",
    metavar="TIME",
    help="How long rollups stay when --retention has let go of their samples.",
)
@click.option(
    "--scrape-config",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Scrape the targets of a Prometheus configuration file into the database. A folder has a "
    "file for each tenant: acme.yml.",
)
@click.option(
    "--workers",
    metavar="N",
    type=int,
    help="Processes that answer requests. 1, the default: this one does everything.",
)
@click.option(
    "--tls-cert",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Speak TLS with this certificate (PEM, with its chain). SIGHUP reads it again.",
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
    help="A TOML file with settings. Options and the environment win. Default: $NOVAQL_CONFIG.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info"
)
def command(
    data: Path | None,
    listen: str | None,
    no_auth: bool,
    sync: str | None,
    retention: str | None,
    rollups: str | None,
    rollup_retention: str | None,
    scrape_config: Path | None,
    workers: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    config: Path | None,
    log_level: str,
) -> None:
    """Serve a database over HTTP, until Ctrl-C or SIGTERM.

    \b
    novaql serve --data fleet --listen 127.0.0.1:9490 --no-auth

    Under /v1 is the Nova API, under /prometheus/api/v1 the one of Prometheus. The first start
    prints an admin token. Settings can stand in the environment too: NOVAQL_PORT and so on.
    """
    arguments: dict[str, Any] = {
        "data": data,
        "sync": sync,
        "retention": retention,
        "rollups": rollups,
        "rollup_retention": rollup_retention,
        "scrape_config": scrape_config,
        "workers": workers,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "config": config,
    }
    if listen is not None:
        arguments["host"], arguments["port"] = parse_listen(listen)
    if no_auth:
        arguments["auth"] = False
    serve(Settings.from_environment(os.environ, **arguments), log_level=log_level)
