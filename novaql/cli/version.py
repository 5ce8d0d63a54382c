"""`novaql version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click


@click.command("version")
def command() -> None:
    """Print the versions of NovaQL, Python and the main libraries."""
    click.echo(f"novaql {installed('novaql')}")
    click.echo(f"python {platform.python_version()}")
    for library in ("numpy", "numba", "pyarrow", "pcodec", "lark"):
        click.echo(f"{library} {installed(library)}")


def installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(not installed)"
