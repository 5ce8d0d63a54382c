"""Settings as texts: a TOML file, and variables of the environment."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_origin

from novaql.errors import ArgumentError


def of_file(path: Path, hints: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a TOML file. Raises `ArgumentError` that names the file, and line or key.

    hints  name → type of each setting that there is
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise ArgumentError("config", f"{path} cannot be read: {problem}") from None
    except tomllib.TOMLDecodeError as problem:
        raise ArgumentError("config", f"{path}: {problem}") from None
    chosen = {}
    for name, value in found.items():
        if name not in hints:
            close = difflib.get_close_matches(name, hints, 1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            raise ArgumentError("config", f"{path}: there is no setting {name!r}{hint}")
        chosen[name] = _of_toml(path, name, value, hints[name])
    return chosen


def _of_toml(path: Path, name: str, value: Any, wanted: Any) -> Any:
    if wanted in (Path, Path | None) and isinstance(value, str):
        return path.parent / value  # relative to the file, wherever the server is started
    if wanted is float and type(value) is int:
        return float(value)
    plain = str if wanted in (Path, Path | None) or get_origin(wanted) is Literal else wanted
    if type(value) is not plain:
        said = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise ArgumentError("config", f"{path}: {name} is {said[plain]}, not {value!r}")
    return value


def of_environment(name: str, text: str, wanted: Any) -> Any:
    """A setting from `NOVAQL_<NAME>`, as the type that it has. Raises `ArgumentError`."""
    variable = f"NOVAQL_{name.upper()}"
    if wanted is bool:
        if text.lower() not in {"1", "0", "true", "false", "on", "off"}:
            raise ArgumentError(variable, f"{text!r} is neither on nor off")
        return text.lower() in {"1", "true", "on"}
    if wanted == Path | None:
        return Path(text)
    if wanted in (int, float, Path):
        try:
            return wanted(text)
        except ValueError:
            raise ArgumentError(variable, f"{text!r} is not a number") from None
    return text
