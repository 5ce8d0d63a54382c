"""The peer benchmark, a separate program: its queries, its servers, and its comparison of answers.

It is used in place; this repository has no copy of it.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Module = Any
"""The peer benchmark is not part of this repository, so its types are unknown."""


@dataclass(frozen=True, slots=True)
class PeerBench:
    """Its folder, the folder of data, and the modules that the suite uses."""

    folder: Path
    data: Path
    queries: Module
    systems: Module
    compare: Module
    common: Module

    @classmethod
    def at(cls, folder: Path, data: Path) -> PeerBench:
        """Raises `FileNotFoundError` where there is no peer benchmark."""
        if not (folder / "queries.py").exists():
            raise FileNotFoundError(f"{folder} is not the peer benchmark: it has no queries.py")
        os.environ["PEERBENCH_DATA"] = str(data)  # its modules read this when they are imported
        sys.dont_write_bytecode = True  # its folder may be read-only
        sys.path.insert(0, str(folder))
        try:
            modules = [
                importlib.import_module(name)
                for name in ("queries", "systems", "compare", "common")
            ]
        finally:
            sys.path.remove(str(folder))
        return cls(folder, data, *modules)

    @property
    def dataset(self) -> Path:
        return self.data / "dataset"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs to its end. Raises `CalledProcessError`."""
        environment = {
            **os.environ,
            "PEERBENCH_DATA": str(self.data),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.executable, str(self.folder / program), *arguments]
        subprocess.run(command, env=environment, check=True, stdout=sys.stderr)

    def prepare(self, scale: float) -> None:
        """Create the data set and load it into the peers, unless that is done already."""
        manifest = self.dataset / "manifest.json"
        self.data.mkdir(parents=True, exist_ok=True)
        if not manifest.exists():
            self.run("dataset.py", "--scale", str(scale))
        missing = [name for name in self.systems.CHILDREN if not self._is_loaded(name, manifest)]
        if missing:
            out = self.data / "load-suite.json"
            self.run("peers.py", "--systems", ",".join(missing), "--out", str(out))
            for name in missing:
                self._mark(name).touch()

    def _mark(self, name: str) -> Path:
        return self.data / f"{name}.loaded"

    def _is_loaded(self, name: str, manifest: Path) -> bool:
        """Whether this suite or the peer benchmark's own program has loaded it, after the data set
        was created."""
        known = (self._mark(name), self.data / "load.json")
        made = manifest.stat().st_mtime
        return (self.data / name).is_dir() and any(
            path.exists() and path.stat().st_mtime >= made for path in known
        )
