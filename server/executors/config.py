"""The configuration file of executors: its shape and its limits."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import re2
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from novaql import ArgumentError

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_NAME = r"^[a-z][a-z0-9_-]{0,63}$"
_PARAMETER = r"^[a-z][a-z0-9_]{0,63}$"
MIB = 1 << 20


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class Parameter(_Table):
    """pattern        regular expression (RE2) that matches the whole value
    max_bytes      length of the value in UTF-8
    leading_dash   allow values that begin with `-`, which programs read as options
    """

    pattern: str
    max_bytes: Annotated[int, Field(ge=1, le=65_536)] = 256
    leading_dash: bool = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            compiled(pattern)
        except re2.error as problem:
            raise ValueError(f"is not a regular expression of RE2: {problem}") from None
        return pattern


class Limits(_Table):
    """Limits of one run. Unless stated otherwise, they apply to all its processes together.

    cpu_s          CPU time
    memory_bytes   memory; also the address space of each process
    processes      processes and threads
    output_bytes   of stdout and stderr that the outcome contains; the server discards the rest
    files_bytes    size of the work folder; also of each file
    files          files and folders in the work folder
    open_files     of each process
    timeout_s      duration
    """

    cpu_s: Annotated[int, Field(ge=1, le=86_400)] = 30
    memory_bytes: Annotated[int, Field(ge=16 * MIB)] = 256 * MIB
    processes: Annotated[int, Field(ge=1, le=4096)] = 32
    output_bytes: Annotated[int, Field(ge=1, le=16 * MIB)] = 64 << 10
    files_bytes: Annotated[int, Field(ge=4096)] = 64 * MIB
    files: Annotated[int, Field(ge=1, le=1_000_000)] = 4096
    open_files: Annotated[int, Field(ge=8, le=65_536)] = 256
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0


class ExecutorConfig(_Table):
    """command      absolute path and arguments; `{name}` as a whole argument is a parameter
    parameters   by name; each is an argument or stdin
    stdin        `{name}`, or `json`: an object of all parameters; "": empty
    network      allow connections
    read         further files and folders that the script can read
    tenants      names of the tenants that may use it; `*`: all
    user         uid that runs it, if the server runs as root; None: one of those from `first_uid`
    """

    command: Annotated[list[str], Field(min_length=1, max_length=256)]
    parameters: dict[Annotated[str, Field(pattern=_PARAMETER)], Parameter] = {}
    stdin: str = ""
    network: bool = False
    read: list[str] = []
    tenants: list[str] = []
    user: Annotated[int, Field(ge=1, le=2**31)] | None = None
    limits: Limits = Limits()

    @field_validator("command")
    @classmethod
    def _is_command(cls, command: list[str]) -> list[str]:
        if not command[0].startswith("/"):
            raise ValueError(f"must begin with an absolute path, not {command[0]!r}")
        for argument in command:
            if "\0" in argument:
                raise ValueError("contains a NUL character")
            if _PLACEHOLDER.search(argument) and not _PLACEHOLDER.fullmatch(argument):
                raise ValueError(f"{argument!r}: a parameter must be a whole argument")
        return command

    @field_validator("read")
    @classmethod
    def _are_absolute(cls, paths: list[str]) -> list[str]:
        for path in paths:
            if not path.startswith("/") or ".." in Path(path).parts or Path(path) == Path("/"):
                raise ValueError(f"{path!r} must be an absolute path below /, without `..`")
        return paths

    @model_validator(mode="after")
    def _uses_its_parameters(self) -> Self:
        if self.stdin not in ("", "json") and not _PLACEHOLDER.fullmatch(self.stdin):
            raise ValueError("stdin must be `json` or one parameter such as `{name}`")
        used = {name for part in (*self.command, self.stdin) if (name := placeholder(part))}
        if unknown := used - set(self.parameters):
            raise ValueError(f"parameters: {sorted(unknown)[0]!r} is used, but not described")
        unused = set(self.parameters) - used
        if unused and self.stdin != "json":
            raise ValueError(f"parameters: {sorted(unused)[0]!r} is not used")
        return self


class ExecutorsConfig(_Table):
    """max_runs    scripts that run concurrently; others wait
    first_uid   first of `max_runs` uids that no account has, if the server runs as root
    isolation   `auto`: the strongest that the machine offers
    """

    max_runs: Annotated[int, Field(ge=1, le=256)] = 4
    first_uid: Annotated[int, Field(ge=1, le=2**31)] = 64_000
    isolation: Literal["auto", "namespaces", "uid"] = "auto"
    executors: dict[Annotated[str, Field(pattern=_NAME)], ExecutorConfig] = {}


def compiled(pattern: str) -> Any:
    """Compile a pattern. Raises `re2.error`."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def placeholder(text: str) -> str | None:
    """Return the name of the parameter that an argument consists of; None: it is literal."""
    found = _PLACEHOLDER.fullmatch(text)
    return found[1] if found else None


def load(path: Path, owners: set[int]) -> ExecutorsConfig:
    """Load the file. Raises `ArgumentError` with the position of every error.

    owners  uids that may own the file and its folder
    """
    for checked in (path.resolve(), path.resolve().parent):
        check_owned(checked, owners, f"{path}: {checked}")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise fault(f"{path} cannot be read: {problem}") from None
    except tomllib.TOMLDecodeError as problem:
        raise fault(f"{path}: {problem}") from None
    try:
        return ExecutorsConfig.model_validate(found)
    except ValidationError as problem:
        messages = [_located(error["loc"], error["msg"]) for error in problem.errors()]
        raise fault(f"{path}: " + "; ".join(messages)) from None


def _located(position: tuple[int | str, ...], message: str) -> str:
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in position)
    return f"{parts.removeprefix('.') or 'the file'}: {message.removeprefix('Value error, ')}"


def check_owned(path: Path, owners: set[int], position: str) -> None:
    """Raise `ArgumentError` if users other than `owners` can change a file or folder."""
    try:
        found = path.stat()
    except OSError as problem:
        raise fault(f"{position}: {problem.strerror}") from None
    if found.st_uid not in owners:
        raise fault(f"{position}: belongs to uid {found.st_uid}, not to root or the server")
    writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if writable and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
        raise fault(f"{position}: other users can write to it; use chmod go-w")


def fault(message: str) -> ArgumentError:
    """The error of a configuration."""
    return ArgumentError("executors_file", message)
