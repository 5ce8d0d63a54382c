"""`novaql version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click


@click.command("version")
def command() -> None:
    """Print the version, and those of Python and the libraries that do the work."""
    click.echo(f"novaql {installed('novaql')}")
    click.echo(f"python {platform.python_version()}")
    for library in ("numpy", "numba", "pyarrow", "pcodec", "lark"):
        click.echo(f"{library} {installed(library)}")


def installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(not installed)"
