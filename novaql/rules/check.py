"""Checking files and saying so as promtool does: findings to one side, progress to the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from novaql.rules.config.reading import Config, read_config_file
from novaql.rules.duplicates import Duplicate, duplicate_rules
from novaql.rules.model import RuleFile
from novaql.rules.names import Names
from novaql.rules.problems import FileProblems
from novaql.rules.reading import read_rule_file, read_rules

WriteLine = Callable[[str], None]

FAILED = 1
LINT_FAILED = 3


class Checker:
    """Checks file by file and remembers what it found.

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
        except FileProblems as problem:
            self._fail(str(problem))
            return
        except OSError as problem:
            self._fail(f"{file}: {problem.strerror or problem}")
            return
        self._rules_found(found)
        self.progress("")

    def _rules_found(self, found: RuleFile) -> None:
        again = duplicate_rules(found.groups) if self.lint else []
        if again:
            self.linted = True
            self.findings("  FAILED:")
            self.findings(_duplicates_text(again))
        else:
            self.progress(f"  SUCCESS: {found.rules} rules found")

    def config(self, file: str, *, syntax_only: bool) -> None:
        """A configuration file, and the rule files it names unless only its syntax counts."""
        self.progress(f"Checking {file}")
        try:
            config = read_config_file(file, names=self.names, syntax_only=syntax_only)
        except FileProblems as problem:
            self._fail(str(problem))
            self.progress("")
            return
        except OSError as problem:
            self._fail(f"{file}: {problem.strerror or problem}")
            self.progress("")
            return
        self._config_found(file, config)
        self.progress("")
        for rule_file in config.rule_files if not syntax_only else ():
            self.rules(rule_file)

    def _config_found(self, file: str, config: Config) -> None:
        if config.rule_files:
            self.progress(f"  SUCCESS: {len(config.rule_files)} rule files found")
        self.progress(f" SUCCESS: {os.fspath(file)} is valid prometheus config file syntax")

    def _fail(self, text: str) -> None:
        self.failed = True
        self.findings("  FAILED:")
        self.findings(text)


def _duplicates_text(again: list[Duplicate]) -> str:
    lines = [f"lint error {len(again)} duplicate rule(s) found."]
    for found in again:
        lines += [f"Metric: {found.name}", "Label(s):"]
        lines += [f"\t{name}: {value}" for name, value in found.labels]
    return "\n".join([*lines, "Might cause inconsistency while recording expressions"])
