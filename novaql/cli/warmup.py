"""`novaql warmup`."""

from __future__ import annotations

import click

from novaql import parse, warmup
from novaql.tsdb.runtime.compiled import available


@click.command("warmup")
def command() -> None:
    """Compile the kernels in advance, once for this machine.

    Later processes load them from a cache: beside the code, or in the user's cache folder if that
    is not writable; `NUMBA_CACHE_DIR` sets another. Without this command, a server compiles them
    in the background at its start, and other processes after some queries.

    With `NOVAQL_CACHE_DIR`, the kernels and the parser's tables are in that folder. Later processes
    with the same setting read them, also where the folder is read-only, as in the image of a
    container: if it belongs to them or to root, and no other user can write it.
    """
    parse("up")  # stores the tables
    if not available():
        raise click.ClickException(
            "numba is not installed, so NumPy answers every query: pip install 'novaql[fast]'"
        )
    try:
        took = warmup()
    except ImportError as problem:
        raise click.ClickException(f"numba cannot be used: {problem}") from problem
    for name, seconds in took.items():
        click.echo(f"{name} {seconds:.2f} s")
    click.echo(f"{len(took)} kernels are ready, {sum(took.values()):.1f} s")
