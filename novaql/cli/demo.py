"""`novaql demo`: a server with data, within seconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from novaql.export.missing import needs

with needs(
    *("fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client", "psutil"),
    *("sqlalchemy", "alembic", "cryptography", "httpx"),
    extra="server",
):
    from novaql.server.addresses import parse_listen
    from novaql.server.demo.demo import run_demo
    from novaql.server.demo.story.run import run_story
    from novaql.server.settings import Settings


@click.command("demo")
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Store the data here. Default: a temporary directory, deleted when the demo ends.",
)
@click.option(
    "--listen", metavar="HOST:PORT", help="Default: 127.0.0.1:9490; port 0 selects a free port."
)
@click.option("--no-auth", is_flag=True, help="Require no token, and serve only this machine.")
@click.option("--open", "open_browser", is_flag=True, help="Open the console in the browser.")
@click.option(
    "--story",
    is_flag=True,
    help="Play an incident from its deploy to its postmortem, in about four minutes.",
)
@click.option(
    "--record",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --story: write its recording here, and stop at its end.",
)
def command(
    data: Path | None,
    listen: str | None,
    no_auth: bool,
    open_browser: bool,
    story: bool,
    record: Path | None,
) -> None:
    """Serve a day of data of a small fleet with an incident, and live data of this machine."""
    if record is not None and not story:
        raise click.UsageError("--record needs --story")
    if story and (no_auth or open_browser or data is not None):
        raise click.UsageError("--story has data and tokens of its own, and opens no browser")
    arguments: dict[str, Any] = {"auth": False} if no_auth else {}
    if listen is not None:
        arguments["host"], arguments["port"] = parse_listen(listen)
    settings = Settings.from_environment(os.environ, **arguments)
    if story:
        if not run_story(settings, record=record):
            raise click.exceptions.Exit(1)
        return
    run_demo(settings, data=data, open_browser=open_browser)
