"""`%novaql QUERY` and `%%novaql OPTIONS` with the query in the cell below."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from novaql.api import query
from novaql.errors import ArgumentError, NovaqlError
from novaql.result import Result


class Shell(Protocol):
    """The part of IPython's shell that the magics use."""

    user_ns: dict[str, Any]

    def register_magic_function(
        self, func: Callable[..., Any], magic_kind: str, magic_name: str
    ) -> None: ...


_TEXTS = ("time", "start", "end", "step", "lookback")


class _Options(argparse.ArgumentParser):
    """A parser of options that raises `ArgumentError` instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        options = [option for action in self._actions for option in action.option_strings]
        raise ArgumentError("%novaql", f"{message}; the options are {', '.join(options)}")


def _parser() -> argparse.ArgumentParser:
    parser = _Options(prog="%novaql", add_help=False, allow_abbrev=False)
    parser.add_argument("--data", help="a variable, a path or an address")
    parser.add_argument("--var", help="assign the result to this variable")
    for name in _TEXTS:
        parser.add_argument(f"--{name}")
    return parser


_PARSER = _parser()


def load_ipython_extension(ipython: Shell) -> None:
    """Add the magics `%novaql` and `%%novaql` to a notebook: `%load_ext novaql` calls this.

    --data D     what to query: a variable of the notebook, a path or an address; a magic with only
                 `--data` sets it for later ones. Default: the default database
    --time T     query at a time; --start, --end, --step: over a range; defaults as in `query`
    --lookback D how long a sample stays visible
    --var NAME   assign the result to a variable instead of showing it
    """
    remembered: dict[str, Any] = {}

    def novaql(line: str, cell: str | None = None) -> Result | None:
        """Run a query: `%novaql --start -1h --step 1m rate(up[5m])`."""
        try:
            return run(line, cell)
        except NovaqlError as problem:
            shown = f"{type(problem).__name__}: {problem}".splitlines()
            # IPython's own hook: the message, which has the place in the query, without the stack.
            problem._render_traceback_ = lambda: shown  # type: ignore[method-assign]
            raise

    def run(line: str, cell: str | None) -> Result | None:
        names, text = _divided(line)
        if cell is not None and text:
            raise ArgumentError("%%novaql", f"the query belongs below the first line, not {text!r}")
        text = text if cell is None else cell
        if names.data is not None:
            data = ipython.user_ns.get(names.data, names.data)
            if not text.strip():
                remembered["data"] = data
                return None
        else:
            data = remembered.get("data")
        given = {name: getattr(names, name) for name in _TEXTS if getattr(names, name) is not None}
        result = query(text, data, **given)
        if names.var is None:
            return result
        ipython.user_ns[names.var] = result
        return None

    # As IPython's `no_var_expand`: it would insert variables for $1 and {…}, parts of queries.
    novaql.__dict__["_ipython_magic_no_var_expand"] = True
    ipython.register_magic_function(novaql, "line_cell", "novaql")


def _divided(line: str) -> tuple[argparse.Namespace, str]:
    """The options of a line, and the query behind them as written."""
    options: list[str] = []
    rest = line
    while rest.lstrip().startswith("--"):
        parts = rest.split(None, 1)
        option, rest = parts[0], parts[1] if len(parts) > 1 else ""
        if "=" not in option:
            value, rest = _first_word(rest)
            # As one word, because `--start -1h` would be two options.
            option = "=".join([option, *value])
        options.append(option)
    return _PARSER.parse_args(options), rest.strip()


def _first_word(text: str) -> tuple[list[str], str]:
    """The first word, which quotes may enclose, and what is behind it."""
    text = text.lstrip()
    if text[:1] in ("'", '"') and (end := text.find(text[0], 1)) > 0:
        return [text[1:end]], text[end + 1 :]
    first, _, rest = text.partition(" ")
    return [first] if first else [], rest
