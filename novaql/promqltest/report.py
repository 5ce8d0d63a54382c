"""`novaql promqltest FILE...`: run scripts, print a table, the failures, and the totals."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from novaql.promqltest.comparison import joined
from novaql.promqltest.problems import ScriptError
from novaql.promqltest.runner import Verdict, run_script
from novaql.promqltest.script_parser import read_script


@dataclass(frozen=True, slots=True)
class Tally:
    """Evals of one file, or of all."""

    name: str
    passed: int = 0
    failed: int = 0
    native_passed: int = 0
    native_failed: int = 0

    @classmethod
    def of(cls, name: str, verdicts: Sequence[Verdict]) -> Tally:
        def count(*, native: bool, passed: bool) -> int:
            return sum(v.native is native and v.passed is passed for v in verdicts)

        return cls(
            name,
            count(native=False, passed=True),
            count(native=False, passed=False),
            count(native=True, passed=True),
            count(native=True, passed=False),
        )

    @property
    def rate(self) -> str:
        """Share of float evals that pass."""
        total = self.passed + self.failed
        return f"{100 * self.passed / total:.1f} %" if total else "-"


def main(argv: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run the scripts named in `argv`; 0 if every eval passed, 1 if not, 2 for wrong arguments.

    The table has a row per file. Float evals and native histogram evals are counted apart
    (`Verdict.native` says which is which), so that the share of float evals can be stated. The
    last line is `N passed, M failed` over both.
    """
    out = out or sys.stdout
    try:
        arguments = _arguments(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    tallies: list[Tally] = []
    broken = 0
    shown = 0
    for path in arguments.files:
        try:
            verdicts = list(run_script(read_script(path)))
        except (ScriptError, OSError, UnicodeDecodeError) as problem:
            where = "" if isinstance(problem, ScriptError) else f"{path}: "
            sys.stderr.write(f"{where}{problem}\n")
            broken += 1
            continue
        tallies.append(Tally.of(path.name, verdicts))
        for verdict in verdicts:
            wanted = arguments.max_diffs is None or shown < arguments.max_diffs
            if not verdict.passed and not arguments.quiet and wanted:
                print(failure_text(str(path), verdict), end="\n\n", file=out)
                shown += 1
    failures = sum(tally.failed + tally.native_failed for tally in tallies)
    if not arguments.quiet and shown < failures:
        print(f"{failures - shown} more failures are not shown\n", file=out)
    print(table(tallies), file=out)
    passes = sum(tally.passed + tally.native_passed for tally in tallies)
    print(f"{passes} passed, {failures + broken} failed", file=out)
    return 1 if failures or broken else 0


def failure_text(path: str, verdict: Verdict) -> str:
    """`file:line: eval …` and the differences below it."""
    return f"{path}:{verdict.case.line}: {verdict.case.title}\n{joined(verdict.differences)}"


def table(tallies: Sequence[Tally]) -> str:
    """One row per file and one for all: passed and failed float evals, then native ones."""
    total = Tally(
        "total",
        sum(t.passed for t in tallies),
        sum(t.failed for t in tallies),
        sum(t.native_passed for t in tallies),
        sum(t.native_failed for t in tallies),
    )
    width = max(len(t.name) for t in [*tallies, total])
    head = f"{'file':{width}}  {'float evals':>23}  {'native histogram evals':>23}"
    lines = [
        head,
        f"{'':{width}}  {'passed':>7} {'failed':>7} {'rate':>7}  {'passed':>15} {'failed':>7}",
    ]
    lines += [
        f"{t.name:{width}}  {t.passed:7} {t.failed:7} {t.rate:>7}  "
        f"{t.native_passed:15} {t.native_failed:7}"
        for t in [*tallies, total]
    ]
    return "\n".join(lines)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="novaql promqltest", description="Run test scripts in Prometheus's format."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a *.test script")
    parser.add_argument("--quiet", action="store_true", help="the table only, no failures")
    parser.add_argument("--max-diffs", type=int, metavar="N", help="show at most N failures")
    return parser.parse_args(argv)
