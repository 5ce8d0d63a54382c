"""Options that several commands share, and the click types behind them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import click

from novaql.errors import ArgumentError
from novaql.timeparse import duration_ms, to_ms
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

F = TypeVar("F", bound=Callable[..., Any])


@lru_cache(maxsize=1)
def now_ms() -> int:
    """The clock, read once: `now` is the same instant in every option of a command line."""
    return time.time_ns() // 1_000_000


class Milliseconds(click.ParamType[int]):
    """A time or duration as text. parse: takes the text and the name of the option."""

    def __init__(self, name: str, parse: Callable[[str, str], int]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return self._parse(str(value), (param.name if param else None) or "argument")
        except ArgumentError as problem:
            self.fail(str(problem).removeprefix(f"{problem.argument}: "), param, ctx)


def _time(text: str, argument: str) -> int:
    return to_ms(text, argument=argument, now_ms=now_ms(), end=argument == "end")


def _duration(text: str, argument: str) -> int:
    ms = duration_ms(text, argument=argument)
    if ms == 0:
        raise ArgumentError(argument, "must be more than 0")
    return ms


TIME, DURATION = Milliseconds("time", _time), Milliseconds("duration", _duration)


def data_option(command: F) -> F:
    """--data: where the metrics are; see `data_argument`."""
    return click.option(
        "--data",
        multiple=True,
        metavar="PATH|URL",
        help="A database, a file (repeat for several) or the URL of a metrics page. "
        "Default: $NOVAQL_DATA, else ./novaql-data.",
    )(command)


def data_argument(data: tuple[str, ...]) -> str | list[str] | None:
    """Return the argument of `query` and `as_source` for the values of --data."""
    if not data:
        return None
    return data[0] if len(data) == 1 else list(data)


def window_options(what: str) -> Callable[[F], F]:
    """--start and --end; all times if not given. what: is selected, such as "samples"."""
    first = f"Only {what} from this time on."
    last = f"Only {what} until this time."

    def add(command: F) -> F:
        command = click.option("--end", type=TIME, default=MAX_TIME_MS, help=last)(command)
        return click.option("--start", type=TIME, default=MIN_TIME_MS, help=first)(command)

    return add


def text_argument(text: str) -> str:
    """The argument itself, or standard input for `-`."""
    return sys.stdin.read() if text == "-" else text
