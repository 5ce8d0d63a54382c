"""Sources of settings: a TOML file, and variables of the environment."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_origin

from novaql import ArgumentError
from novaql.server.settings_renames import SettingNames


def of_file(path: Path, hints: Mapping[str, Any], names: SettingNames) -> dict[str, Any]:
    """Read settings from a TOML file. Raises `ArgumentError` with the file, and the line or key.

    hints  name → type of each setting
    names  translates former names
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise ArgumentError("config", f"{path} cannot be read: {problem}") from None
    except tomllib.TOMLDecodeError as problem:
        raise ArgumentError("config", f"{path}: {problem}") from None
    chosen = {}
    for given, value in found.items():
        name = names.current(given, f"{given} in {path}")
        if name is None:
            continue
        if name not in hints:
            close = difflib.get_close_matches(name, hints, 1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            raise ArgumentError("config", f"{path}: there is no setting {name!r}{hint}")
        chosen[name] = _of_toml(path, given, value, hints[name])
    return chosen


def _of_toml(path: Path, name: str, value: Any, wanted: Any) -> Any:
    if wanted in (Path, Path | None) and isinstance(value, str):
        return path.parent / value  # relative to the file, not to the working directory
    if wanted is float and type(value) is int:
        return float(value)
    plain = str if wanted in (Path, Path | None) or get_origin(wanted) is Literal else wanted
    if type(value) is not plain:
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise ArgumentError("config", f"{path}: {name} is {kinds[plain]}, not {value!r}")
    return value


def of_environment(name: str, text: str, wanted: Any) -> Any:
    """Convert the value of `NOVAQL_<NAME>` to its type. Raises `ArgumentError`."""
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


def environment_texts(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Select the settings from the variables of the environment: name → text."""
    found = {name: environ.get(f"NOVAQL_{name.upper()}") for name in names}
    if found.get("egress_allow") is None:
        found["egress_allow"] = environ.get("NOVA_EGRESS_ALLOW")
    return {name: text for name, text in found.items() if text is not None}
