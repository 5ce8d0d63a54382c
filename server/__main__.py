"""python -m novaql.server: run a server, as `novaql serve` does."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from novaql import ArgumentError
from novaql.server.addresses import parse_listen
from novaql.server.process.logs import log_to_stderr
from novaql.server.process.run import serve
from novaql.server.settings import Settings
from novaql.tsdb import StoreError


def main(arguments: list[str] | None = None) -> int:
    """Run a server with settings from the arguments and the environment; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m novaql.server", description="Serve a NovaQL store."
    )
    parser.add_argument("--data", type=Path, help="directory of the store")
    parser.add_argument("--listen", help="HOST:PORT")
    parser.add_argument("--no-auth", action="store_true", help="ask for no token (loopback only)")
    parser.add_argument("--sync", choices=["always", "interval", "os"])
    parser.add_argument("--scrape-config", type=Path, help="configuration file of Prometheus")
    parser.add_argument("--workers", type=int, help="processes that answer requests")
    parser.add_argument("--tls-cert", type=Path, help="certificate in PEM, with its chain")
    parser.add_argument("--tls-key", type=Path, help="its key in PEM")
    parser.add_argument("--config", type=Path, help="TOML file with settings")
    parser.add_argument("--log-level", default="info")
    given = parser.parse_args(arguments)
    try:
        log_to_stderr(given.log_level)
        host, port = (None, None) if given.listen is None else parse_listen(given.listen)
        settings = Settings.from_environment(
            os.environ,
            data=given.data,
            host=host,
            port=port,
            auth=False if given.no_auth else None,
            sync=given.sync,
            scrape_config=given.scrape_config,
            workers=given.workers,
            tls_cert=given.tls_cert,
            tls_key=given.tls_key,
            config=given.config,
        )
        serve(settings, log_level=given.log_level)
    except (ArgumentError, StoreError, ValueError) as problem:
        sys.stderr.write(f"error: {problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
