"""`novaql mcp`: metrics for clients of the Model Context Protocol."""

from __future__ import annotations

import os

import click

from novaql.cli.options import data_argument, data_option
from novaql.cli.pipes import claim_standard_input
from novaql.export.missing import needs
from novaql.inputs.addresses import is_url

with needs("mcp", "anyio", "uvicorn", extra="mcp"):
    from novaql.mcp_server.backends import Backend, LocalBackend, RemoteBackend
    from novaql.mcp_server.serving import serve_http, serve_stdio
    from novaql.mcp_server.tools import server_over

URL_TOKEN, OWN_TOKEN = "NOVA_TOKEN", "NOVAQL_MCP_TOKEN"


@click.command("mcp")
@data_option
@click.option("--url", help=f"A NovaQL server instead of data; its token is in ${URL_TOKEN}.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help=f"Serve HTTP at /mcp. Requires a token in ${OWN_TOKEN}. Default: standard input.",
)
def command(data: tuple[str, ...], url: str | None, listen: str | None) -> None:
    """Serve metrics to agents: an MCP server, read-only.

    \b
    novaql mcp --data DIR
    NOVA_TOKEN=… novaql mcp --url https://metrics.example.com
    """
    if url is not None and data:
        raise click.UsageError("pass --data or --url, not both")
    if url is not None and not is_url(url):
        raise click.UsageError("--url is an address such as https://metrics.example.com")
    token = os.environ.get(OWN_TOKEN, "")
    host, port = _address(listen) if listen else ("", 0)
    if listen and not token:
        raise click.UsageError(f"--listen requires a token in the environment variable {OWN_TOKEN}")
    if not listen:
        claim_standard_input()
    backend: Backend
    if url is None:
        backend = LocalBackend(data_argument(data))
    else:
        backend = RemoteBackend(url, os.environ.get(URL_TOKEN))
    server = server_over(backend)
    if listen:
        serve_http(server, host, port, token)
    else:
        serve_stdio(server)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.UsageError("--listen has the form HOST:PORT, such as 127.0.0.1:9491")
    return host.strip("[]"), int(port)
