"""Runs scripts; prints the failures, a table, and the totals."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from novaql.fast_dataclass import dataclass
from novaql.promqltest.comparison import joined
from novaql.promqltest.problems import ScriptError
from novaql.promqltest.runner import Verdict, run_script
from novaql.promqltest.script_parser import read_script


@dataclass(frozen=True, slots=True)
class Tally:
    """Evals of one file, or of all."""

    name: str
    verdicts: Sequence[Verdict]

    def count(self, *, passed: bool, native: bool | None = None) -> int:
        """Return the number of evals that passed or failed. native: of histograms or of floats;
        None: of both."""
        return sum(v.passed is passed and native in (None, v.native) for v in self.verdicts)

    @property
    def row(self) -> str:
        """Passed and failed float evals and the share of those that pass, then native ones."""
        (passed, failed), (native_passed, native_failed) = (
            [self.count(native=native, passed=passed) for passed in (True, False)]
            for native in (False, True)
        )
        total = passed + failed
        rate = f"{100 * passed / total:.1f} %" if total else "-"
        return f"{passed:7} {failed:7} {rate:>7}  {native_passed:15} {native_failed:7}"


def report(
    files: Sequence[Path], out: TextIO, *, quiet: bool = False, max_diffs: int | None = None
) -> int:
    """Run scripts; 0 if every eval passed, 1 if not.

    quiet      print the table only, no failures
    max_diffs  the most failures to print; None: all

    The table has a row per file. Float evals and native histogram evals are counted apart
    (`Verdict.native` distinguishes them), so that the share of float evals can be stated. The
    last line is `N passed, M failed` over both.
    """
    tallies: list[Tally] = []
    broken = 0
    shown = 0
    for path in files:
        try:
            verdicts = list(run_script(read_script(path)))
        except (ScriptError, OSError, UnicodeDecodeError) as problem:
            where = "" if isinstance(problem, ScriptError) else f"{path}: "
            sys.stderr.write(f"{where}{problem}\n")
            broken += 1
            continue
        tallies.append(Tally(path.name, verdicts))
        for verdict in verdicts:
            wanted = max_diffs is None or shown < max_diffs
            if not verdict.passed and not quiet and wanted:
                print(failure_text(str(path), verdict), end="\n\n", file=out)
                shown += 1
    total = Tally("total", [verdict for tally in tallies for verdict in tally.verdicts])
    failures = total.count(passed=False)
    if not quiet and shown < failures:
        print(f"{failures - shown} more failures are not shown\n", file=out)
    print(table([*tallies, total]), file=out)
    print(f"{total.count(passed=True)} passed, {failures + broken} failed", file=out)
    return 1 if failures or broken else 0


def failure_text(path: str, verdict: Verdict) -> str:
    """`file:line: eval …` and the differences below it."""
    return f"{path}:{verdict.case.line}: {verdict.case.title}\n{joined(verdict.differences)}"


def table(tallies: Sequence[Tally]) -> str:
    """A heading, and a row for each tally."""
    width = max(len(tally.name) for tally in tallies)
    lines = [
        f"{'file':{width}}  {'float evals':>23}  {'native histogram evals':>23}",
        f"{'':{width}}  {'passed':>7} {'failed':>7} {'rate':>7}  {'passed':>15} {'failed':>7}",
    ]
    return "\n".join([*lines, *(f"{tally.name:{width}}  {tally.row}" for tally in tallies)])
