"""Options that several commands share, and the click types behind them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from novaql.cli.pipes import claim_standard_input, pipes_as_files
from novaql.cli.suggest import files
from novaql.errors import ArgumentError
from novaql.inputs.addresses import is_url
from novaql.inputs.database_folders import is_database
from novaql.inputs.prometheus.folders import is_data_directory
from novaql.timeparse import duration_ms, is_relative, to_ms
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

_ZONE = "novaql.zone"
_TOKENS = ("NOVA_TOKEN", "INFLUX_TOKEN")

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
            text = str(value)
            if self is TIME and ctx is not None and _ZONE in ctx.meta:
                text = in_zone(text, ctx.meta[_ZONE])
            return self._parse(text, (param.name if param else None) or "argument")
        except ArgumentError as problem:
            self.fail(str(problem).removeprefix(f"{problem.argument}: "), param, ctx)


class _Folder(click.Path):
    """The folder of a database, as a path. Addresses and files are errors that name the remedy, and
    so is a data directory of Prometheus unless `prometheus` is set."""

    def __init__(self, *, prometheus: bool = False) -> None:
        super().__init__(path_type=Path)
        self._prometheus = prometheus

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        if is_url(value):
            self.fail(
                f"{value} is the address of a server, not the folder of a database", param, ctx
            )
        place = Path(value)
        if place.is_file():
            self._fail_with_import(value, "a file", param, ctx)
        if not self._prometheus and not is_database(place) and is_data_directory(place):
            self._fail_with_import(value, "the data directory of a Prometheus", param, ctx)
        return super().convert(value, param, ctx)

    def _fail_with_import(
        self,
        value: str | os.PathLike[str],
        what: str,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> NoReturn:
        made = f"`novaql import {value} --data DIR` makes one"
        self.fail(f"{value} is {what}, not the folder of a database; {made}", param, ctx)


FOLDER = _Folder()
FOLDER_OR_PROMETHEUS = _Folder(prometheus=True)


def in_zone(text: str, zone: ZoneInfo) -> str:
    """A date and time without an offset as Unix seconds; other texts as they are."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    if found.tzinfo is not None or "-" not in text:  # digits alone are Unix seconds
        return text
    return str(found.replace(tzinfo=zone).timestamp())


def _time(text: str, argument: str) -> int:
    return to_ms(text, argument=argument, now_ms=now_ms(), end=argument == "end")


def _duration(text: str, argument: str) -> int:
    ms = duration_ms(text, argument=argument)
    if ms == 0:
        raise ArgumentError(argument, "must be more than 0")
    return ms


TIME, DURATION = Milliseconds("time", _time), Milliseconds("duration", _duration)


class _Start(click.ParamType[int | str]):
    """A time in milliseconds; a relative one as its text, because the data decides what it counts
    from."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        ms = TIME.convert(value, param, ctx)
        return value if is_relative(value) else ms


def zone_option(command: F) -> F:
    """--tz: the time zone of tables, and of times without an offset in other options."""

    def zone(context: click.Context, _: click.Parameter, name: str | None) -> ZoneInfo | None:
        if name is None:
            return None
        try:
            context.meta[_ZONE] = found = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise click.BadParameter(f"{name} is no time zone such as Europe/Berlin") from None
        return found

    return click.option(
        "--tz",
        "zone",
        metavar="ZONE",
        callback=zone,
        is_eager=True,
        help="Time zone of tables, and of times without an offset, such as Europe/Berlin. "
        "Default: UTC.",
    )(command)


def token_option(command: F) -> F:
    """--token: the token that a server requires, set while the command runs."""

    def token(context: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None and not context.resilient_parsing:
            for variable in _TOKENS:
                context.with_resource(_set(variable, value))

    return click.option(
        "--token",
        metavar="TOKEN",
        expose_value=False,
        callback=token,
        help="For the address of a NovaQL. Default: $NOVA_TOKEN. Other users of this machine can "
        "see options, but not variables.",
    )(command)


@contextmanager
def _set(variable: str, value: str) -> Iterator[None]:
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def output_option(help: str) -> Callable[[F], F]:
    """--output: a file; `-` is standard output, as without it."""

    def output(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
        return None if value == "-" else value

    return click.option(
        "--output", "-o", metavar="FILE", callback=output, help=help, shell_complete=files
    )


def data_option(command: F) -> F:
    """--data and --token: the source of the metrics; see `data_argument`."""
    return click.option(
        "--data",
        multiple=True,
        shell_complete=files,
        metavar="PATH|URL",
        help="A database, a file or folder (repeat for several), the URL of a Prometheus, a "
        "NovaQL, a metrics page or a Parquet file, or - for a pipe. "
        "Default: $NOVAQL_DATA, else ./novaql-data.",
    )(token_option(command))


def data_argument(data: tuple[str, ...]) -> str | list[str] | None:
    """Return the argument of `query` and `as_source` for the values of --data.

    Pipes, also standard input as `-`, are read into files that last as long as the command.
    """
    if not data:
        return None
    context = click.get_current_context(silent=True)
    if context is not None:
        data = tuple(context.with_resource(pipes_as_files(data)))
    return data[0] if len(data) == 1 else list(data)


def time_options(command: F) -> F:
    """--time, or --start, --end and --step; see `times_of`."""
    for option in (
        click.option(
            "--step", type=DURATION, help="Interval between steps. Default: about 240 steps."
        ),
        click.option("--end", type=TIME, help="… to this time. Default: as for --time."),
        click.option(
            "--start",
            type=_Start(),
            help="Evaluate over a range from this time … Without --end, -1h counts from the "
            "default of --end.",
        ),
        click.option(
            "--time",
            "time_",
            type=TIME,
            help="Evaluate at this time. Default: the last sample of files, now for other data.",
        ),
    ):
        command = option(command)
    return command


def times_of(
    time_: int | None, start: int | str | None, end: int | None, step: int | None
) -> dict[str, Any]:
    """Arguments of `query`, in seconds; a relative start without an end as its text.

    Raises `click.UsageError` for a combination without a meaning.
    """
    if start is None:
        if end is not None or step is not None:
            raise click.UsageError("--end and --step need --start")
        return {} if time_ is None else {"time": time_ / 1000}
    if time_ is not None:
        raise click.UsageError("--time is for one instant, --start for a range: pass one of them")
    if isinstance(start, str) and end is not None:
        start = _time(start, "start")
    if not isinstance(start, str) and end is not None and end < start:
        raise click.UsageError("--end is before --start")
    given = {"start": start, "end": end, "step": step}
    return {
        name: value if isinstance(value, str) else value / 1000
        for name, value in given.items()
        if value is not None
    }


def window_options(what: str) -> Callable[[F], F]:
    """--start and --end; all times if not given. what: is selected, such as "samples"."""
    first = f"Only {what} from this time on."
    last = f"Only {what} until this time."

    def add(command: F) -> F:
        @wraps(command)
        def checked(*arguments: Any, start: int, end: int, **options: Any) -> Any:
            if start > end:
                raise click.UsageError("--end is before --start")
            return command(*arguments, start=start, end=end, **options)

        with_end = click.option("--end", type=TIME, default=MAX_TIME_MS, help=last)(checked)
        option = click.option("--start", type=TIME, default=MIN_TIME_MS, help=first)
        return cast(F, option(with_end))

    return add


def text_argument(text: str) -> str:
    """The argument itself, or standard input for `-`."""
    if text != "-":
        return text
    claim_standard_input()
    return sys.stdin.read()
