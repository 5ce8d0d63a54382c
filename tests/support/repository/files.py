"""The repository as a subject of tests: its root and its files."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@lru_cache(maxsize=1)
def repository_files() -> tuple[Path, ...]:
    """Files that git tracks or would add, relative to the root and existing.

    Without git (an unpacked archive): every file outside dot-folders and build output.
    """
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        paths = [Path(name) for name in listed.decode().split("\0") if name]
    else:
        paths = [
            path.relative_to(ROOT)
            for path in ROOT.rglob("*")
            if not any(part.startswith(".") for part in path.relative_to(ROOT).parts[:-1])
        ]
    return tuple(sorted(p for p in paths if (ROOT / p).is_file()))


def python_files() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".py"]
