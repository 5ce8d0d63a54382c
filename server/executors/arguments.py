"""The values of parameters, as arguments and stdin of a program."""

from __future__ import annotations

import json
from collections.abc import Mapping

from novaql import ArgumentError
from novaql.server.executors.config import ExecutorConfig, Parameter, compiled, placeholder


def check_values(config: ExecutorConfig, values: Mapping[str, str]) -> None:
    """Raise `ArgumentError` with the name of the first parameter that is invalid."""
    for name in values:
        if name not in config.parameters:
            raise ArgumentError(name, "the executor has no such parameter")
    for name, parameter in config.parameters.items():
        if name not in values:
            raise ArgumentError(name, "is missing")
        _check(name, parameter, values[name])


def _check(name: str, parameter: Parameter, value: str) -> None:
    if not isinstance(value, str):
        raise ArgumentError(name, "must be a text")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ArgumentError(name, "is not valid Unicode") from None
    if size > parameter.max_bytes:
        raise ArgumentError(name, f"is longer than {parameter.max_bytes} bytes")
    if "\0" in value:
        raise ArgumentError(name, "contains a NUL character")
    if value.startswith("-") and not parameter.leading_dash:
        raise ArgumentError(name, "must not begin with `-`")
    if compiled(parameter.pattern).fullmatch(value) is None:
        raise ArgumentError(name, f"does not match {parameter.pattern}")


def command_of(config: ExecutorConfig, values: Mapping[str, str]) -> list[str]:
    """Return the command with each parameter as one argument."""
    names = [placeholder(argument) for argument in config.command]
    return [
        argument if name is None else values[name]
        for argument, name in zip(config.command, names, strict=True)
    ]


def stdin_of(config: ExecutorConfig, values: Mapping[str, str]) -> bytes:
    """Return the bytes that the program reads from stdin."""
    if config.stdin == "json":
        return json.dumps(dict(values), ensure_ascii=False, sort_keys=True).encode()
    name = placeholder(config.stdin)
    return b"" if name is None else values[name].encode()
