"""The `novaql` command. One subcommand a file, loaded when it is called."""

try:
    from novaql.cli.main import main, run
except KeyboardInterrupt:  # Ctrl-C before there is anything to interrupt
    raise SystemExit(130) from None

__all__ = ["main", "run"]
