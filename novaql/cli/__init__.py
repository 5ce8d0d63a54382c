"""The `novaql` command. One subcommand a file, loaded when it is called."""

from novaql.cli.main import main

__all__ = ["main"]
