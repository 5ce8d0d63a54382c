"""`novaql completion`: shell integration."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(novaql completion bash)"
    zsh:   eval "$(novaql completion zsh)"
    fish:  novaql completion fish | source
    """
    complete = get_completion_class(shell)
    assert complete is not None
    click.echo(complete(ctx.find_root().command, {}, "novaql", "_NOVAQL_COMPLETE").source())
