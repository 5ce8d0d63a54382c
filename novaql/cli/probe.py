"""`novaql probe`: a runner of synthetic checks, for the region where it runs."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path

import click

from novaql import __version__
from novaql.cli.failures import note
from novaql.errors import ArgumentError
from novaql.export.missing import needs

with needs("httpx", "httpcore", "pydantic", "fastapi", extra="server"):
    from novaql.server.addresses import parse_networks, parse_server
    from novaql.server.egress.dialer import Dialer
    from novaql.server.egress.names import resolver_at
    from novaql.server.probes.execute import tls_context
    from novaql.server.probes.runner import ProbeRunner, RunnerRefused


@click.command("probe")
@click.option("--server", metavar="URL", required=True, help="The URL of the NovaQL server.")
@click.option("--region", metavar="NAME", required=True, help="The region of this runner.")
@click.option(
    "--token",
    metavar="TOKEN",
    help="A token with the purpose `probe`. Default: $NOVAQL_PROBE_TOKEN, which others cannot see "
    "in the list of processes.",
)
@click.option(
    "--places",
    default=8,
    show_default=True,
    type=click.IntRange(1, 200),
    help="Runs at the same time.",
)
@click.option(
    "--egress-allow",
    metavar="CIDR,…",
    default="",
    help="Networks that checks may reach although they are not public. Default: none.",
)
@click.option("--dns-server", metavar="HOST:PORT", help="Default: the system's resolver.")
@click.option(
    "--ca-file",
    metavar="PATH",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Further certificate authorities that checks trust, in PEM.",
)
def command(
    server: str,
    region: str,
    token: str | None,
    places: int,
    egress_allow: str,
    dns_server: str | None,
    ca_file: Path | None,
) -> None:
    """Run the synthetic checks of a region for a server elsewhere.

    It requests due runs from the server, executes them here, and reports the results. It never
    connects to networks that are not public, unless --egress-allow names them.

    \b
    novaql probe --server https://nova.example.com --region paris
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    secret = token or os.environ.get("NOVAQL_PROBE_TOKEN", "")
    try:
        resolver = resolver_at(parse_server(dns_server, 53) if dns_server else None)
    except ValueError as problem:
        raise ArgumentError("dns_server", str(problem)) from None
    try:
        dialer = Dialer(parse_networks(egress_allow), resolver)
    except ValueError as problem:
        raise ArgumentError("egress_allow", str(problem)) from None
    stopping = threading.Event()
    runner = ProbeRunner(
        server.rstrip("/"),
        region,
        secret,
        dialer,
        tls_context(ca_file),
        places=places,
        version=__version__,
        stopping=stopping,
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    note("info", f"runs checks of the region {region} for {server}")
    try:
        runner.run()
    except RunnerRefused as refusal:
        raise click.ClickException(f"the server refuses this runner: {refusal}") from None
