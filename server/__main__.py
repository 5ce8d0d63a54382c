"""python -m novaql.server: `novaql serve`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from novaql.cli import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `novaql serve` with the arguments, by default those of the process; return the exit
    code."""
    return run(["serve", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
