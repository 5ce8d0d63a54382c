"""Executors for tests: their configuration, and one that runs a text of a shell."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from novaql.server.executors import Executor, Executors, Outcome
from novaql.server.executors.isolation import tool

NEEDS_BWRAP = "needs bubblewrap: apt-get install bubblewrap"
NEEDS_ROOT = "needs root: another uid runs the script"
ISOLATIONS = (
    pytest.param("namespaces", marks=pytest.mark.skipif(tool("bwrap") is None, reason=NEEDS_BWRAP)),
    pytest.param("uid", marks=pytest.mark.skipif(os.geteuid() != 0, reason=NEEDS_ROOT)),
)


def toml(table: Mapping[str, Any], name: str = "") -> str:
    """Encode a table: strings, numbers, booleans, lists of them and tables."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    lines += [
        toml(value, f"{name}.{key}" if name else key)
        for key, value in table.items()
        if isinstance(value, Mapping)
    ]
    return "\n".join(lines) + "\n"


def written(folder: Path, config: Mapping[str, Any]) -> Path:
    """Write a configuration, which only its owner can change."""
    folder.chmod(0o755)
    path = folder / "executors.toml"
    path.write_text(toml(config), encoding="utf-8")
    path.chmod(0o644)
    return path


def executor_of(
    folder: Path,
    command: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
    *,
    isolation: str = "auto",
    private: Sequence[Path] = (),
    limits: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    **config: Any,
) -> Executor:
    """Return the executor of a configuration of one."""
    one = {"command": list(command), **config}
    one |= {"parameters": dict(parameters or {}), "limits": dict(limits or {})}
    file = written(folder, {"isolation": isolation, **(server or {}), "executors": {"script": one}})
    found = Executors.from_file(file, private=private).get("script")
    assert found is not None
    return found


def never() -> bool:
    """No cancellation."""
    return False


class Shell:
    """Runs texts by bash in an isolation, each as one argument of it."""

    def __init__(self, folder: Path, isolation: str, *, timeout_s: float = 20, **config: Any):
        self._timeout_s = timeout_s
        self.executor = executor_of(
            folder,
            ["/bin/bash", "-c", "{code}"],
            {"code": {"pattern": "(?s).*", "max_bytes": 10_000}},
            isolation=isolation,
            **config,
        )

    def run(self, code: str, *, cancelled: Callable[[], bool] = never) -> Outcome:
        return self.executor.run({"code": code}, timeout_s=self._timeout_s, cancelled=cancelled)
