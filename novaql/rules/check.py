"""Checks files and reports as promtool does: findings to one stream, progress to the other."""

from __future__ import annotations

import sys
from collections.abc import Callable

from novaql.rules.config.reading import read_config_file
from novaql.rules.duplicates import Duplicate, duplicate_rules
from novaql.rules.names import Names
from novaql.rules.problems import FileProblems
from novaql.rules.reading import read_rule_file, read_rules

WriteLine = Callable[[str], None]

FAILED = 1
LINT_FAILED = 3


class Checker:
    """Checks file by file and collects findings.

    progress, findings  take a line (without its end) each
    """

    def __init__(
        self,
        progress: WriteLine,
        findings: WriteLine,
        *,
        lint: bool = True,
        names: Names = Names.UTF8,
    ) -> None:
        self.progress = progress
        self.findings = findings
        self.lint = lint
        self.names = names
        self.failed = False
        self.linted = False

    def exit_code(self, *, lint_fatal: bool) -> int:
        """0, 1 after an error, 3 after a finding of a lint only, if that counts."""
        if self.failed:
            return FAILED
        return LINT_FAILED if self.linted and lint_fatal else 0

    def rules(self, file: str) -> None:
        """A rule file, `-` for standard input."""
        self.progress("Checking standard input" if file == "-" else f"Checking {file}")
        try:
            found = (
                read_rules(sys.stdin.read(), "<stdin>", names=self.names)
                if file == "-"
                else read_rule_file(file, names=self.names)
            )
        except (FileProblems, OSError) as problem:
            self._fail(file, problem)
            return
        again = duplicate_rules(found.groups) if self.lint else []
        if again:
            self.linted = True
            self.findings("  FAILED:")
            self.findings(_duplicates_text(again))
        else:
            self.progress(f"  SUCCESS: {found.rules} rules found")
        self.progress("")

    def config(self, file: str, *, syntax_only: bool) -> None:
        """A configuration file, and the rule files it names unless only its syntax counts."""
        self.progress(f"Checking {file}")
        try:
            config = read_config_file(file, names=self.names, syntax_only=syntax_only)
        except (FileProblems, OSError) as problem:
            self._fail(file, problem)
            self.progress("")
            return
        if config.rule_files:
            self.progress(f"  SUCCESS: {len(config.rule_files)} rule files found")
        self.progress(f" SUCCESS: {file} is valid prometheus config file syntax")
        self.progress("")
        for rule_file in config.rule_files if not syntax_only else ():
            self.rules(rule_file)

    def _fail(self, file: str, problem: FileProblems | OSError) -> None:
        self.failed = True
        self.findings("  FAILED:")
        if isinstance(problem, OSError):
            self.findings(f"{file}: {problem.strerror or problem}")
        else:
            self.findings(str(problem))


def _duplicates_text(again: list[Duplicate]) -> str:
    lines = [f"lint error {len(again)} duplicate rule(s) found."]
    for found in again:
        lines += [f"Metric: {found.name}", "Label(s):"]
        lines += [f"\t{name}: {value}" for name, value in found.labels]
    return "\n".join([*lines, "Might cause inconsistency while recording expressions"])
