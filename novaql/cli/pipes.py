"""Standard input and other pipes as arguments of a command line."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from novaql.errors import InputError
from novaql.inputs.addresses import is_address

_CLAIMED = "novaql.standard_input"


def claim_standard_input() -> None:
    """Use standard input for one purpose. Raises `click.UsageError` at the second one."""
    context = click.get_current_context(silent=True)
    if context is None:
        return
    if _CLAIMED in context.meta:
        raise click.UsageError("standard input can be read once, but two arguments need it")
    context.meta[_CLAIMED] = True


@contextmanager
def pipes_as_files(sources: Sequence[str]) -> Iterator[list[str]]:
    """The sources, with pipes (`-` is standard input) replaced by files with their content.

    A pipe with an error in its content is therefore not imported in part. Messages name the pipe.
    Raises `click.UsageError` if standard input is in use.
    """
    with ExitStack() as stack:
        named, shown = [], {}
        for source in sources:
            if source == "-":
                claim_standard_input()
                pipe: BinaryIO = sys.stdin.buffer
            elif not is_address(source) and Path(source).is_fifo():
                pipe = stack.enter_context(Path(source).open("rb"))
            else:
                named.append(source)
                continue
            copy = stack.enter_context(tempfile.NamedTemporaryFile(prefix="novaql-pipe-"))
            shutil.copyfileobj(pipe, copy, 1 << 20)
            copy.flush()
            named.append(copy.name)
            shown[copy.name] = "standard input" if source == "-" else source
        try:
            yield named
        except InputError as problem:
            text = str(problem)
            for path, name in shown.items():
                text = text.replace(path, name)
            raise InputError(text) from problem
