"""The list of evals of Prometheus's scripts that do not pass yet, and how it is kept.

python -m tests.promql.known_failures          take off what passes
python -m tests.promql.known_failures --add    and put on what fails, with the reason to be
                                               written by hand
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from novaql.promqltest.runner import run_script
from novaql.promqltest.script_parser import read_script

HERE = Path(__file__).parent
CONFORMANCE = HERE.parents[2] / "shared" / "conformance" / "promqltest"
KNOWN_FAILURES = HERE / "known_failures.txt"
_A_ROW = 15
_HEAD = """\
# Evals of Prometheus's scripts that do not pass yet: file:line[,line...] and the reason. One that
# passes while it stands here fails the tests, so take it off: python -m tests.promql.known_failures
"""

Known = dict[str, dict[int, str]]
"""File name → line → reason."""


def read(path: Path = KNOWN_FAILURES) -> Known:
    found: Known = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        if not text.strip() or text.startswith("#"):
            continue
        where, reason = text.split(maxsplit=1)
        file, lines = where.split(":")
        for line in lines.split(","):
            found.setdefault(file, {})[int(line)] = reason
    return found


def written(known: Known) -> str:
    """The text of the list: lines of one reason together."""
    rows = [_HEAD]
    for file, reasons in sorted(known.items()):
        for reason in dict.fromkeys(reasons.values()):
            lines = [str(line) for line, why in sorted(reasons.items()) if why == reason]
            rows += [
                f"{file}:{','.join(lines[at : at + _A_ROW])} {reason}"
                for at in range(0, len(lines), _A_ROW)
            ]
    return "\n".join(rows) + "\n"


def current(known: Known, scripts: Iterable[Path], *, add: bool) -> Known:
    """What of the list still fails, and with `add` what else does."""
    out: Known = {}
    for path in scripts:
        reasons = known.get(path.name, {})
        for verdict in run_script(read_script(path)):
            line = verdict.case.line
            if not verdict.passed and (line in reasons or add):
                out.setdefault(path.name, {})[line] = reasons.get(line, "say why")
    return out


if __name__ == "__main__":
    still = current(read(), sorted(CONFORMANCE.glob("*.test")), add="--add" in sys.argv[1:])
    KNOWN_FAILURES.write_text(written(still), encoding="utf-8")
