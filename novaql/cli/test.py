"""`novaql test`: unit tests of rules, in promtool's format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from novaql.cli.suggest import files as file_names
from novaql.rules.model import RuleFile
from novaql.rules.problems import FileProblems
from novaql.rules.reading import read_rule_file
from novaql.rules.unit_tests.coverage import coverage, coverage_lines
from novaql.rules.unit_tests.junit import junit_xml
from novaql.rules.unit_tests.model import TestFile, TestGroup
from novaql.rules.unit_tests.reading import read_test_file
from novaql.rules.unit_tests.run import TestOutcome, run_tests
from novaql.tsdb.model.matchers import compile_regex


@click.group("test")
def command() -> None:
    """Test rules."""


@command.command("rules")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=file_names)
@click.option(
    "--run", "patterns", multiple=True, metavar="REGEX", help="Only tests with matching names."
)
@click.option(
    "--junit", type=click.Path(dir_okay=False), help="Write the outcomes to this file as JUnit XML."
)
@click.option("--coverage", "with_coverage", is_flag=True, help="Report rules without a test.")
@click.option("--ignore-unknown-fields", is_flag=True, help="Allow unknown fields in test files.")
@click.pass_context
def test_rules(
    ctx: click.Context,
    files: tuple[str, ...],
    patterns: tuple[str, ...],
    junit: str | None,
    with_coverage: bool,
    ignore_unknown_fields: bool,
) -> None:
    """Run rule tests and print failures; exit 1 on a failure."""
    runner = _Runner(_name_filter(patterns), ignore_unknown=ignore_unknown_fields)
    for file in files:
        runner.run(file)
    if junit is not None:
        Path(junit).write_bytes(junit_xml(runner.outcomes, runner.errors))
    if with_coverage:
        runner.show_coverage()
    ctx.exit(int(runner.failed))


def _name_filter(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    try:
        compiled = [compile_regex(pattern) for pattern in patterns]
    except ValueError as problem:
        raise click.UsageError(f"--run: {problem}") from None
    return lambda name: not compiled or any(one.search(name) is not None for one in compiled)


class _Runner:
    """Runs file after file; collects the results for JUnit and coverage."""

    def __init__(self, wanted: Callable[[str], bool], *, ignore_unknown: bool) -> None:
        self.wanted = wanted
        self.ignore_unknown = ignore_unknown
        self.failed = False
        self.outcomes: dict[str, list[TestOutcome]] = {}
        self.errors: dict[str, str] = {}
        self.rules: dict[str, RuleFile] = {}
        self.ran: list[TestGroup] = []

    def run(self, file: str) -> None:
        click.echo(f"Unit Testing:  {file}")
        try:
            tests = read_test_file(file, ignore_unknown=self.ignore_unknown)
            rules = self._rules_of(tests)
        except FileProblems as problem:
            self._fail(file, str(problem))
            return
        except OSError as problem:
            self._fail(file, f"{problem.filename or file}: {problem.strerror or problem}")
            return
        outcomes = self.outcomes[file] = list(run_tests(tests, rules, wanted=self.wanted))
        self.ran += [test for test in tests.tests if self.wanted(test.name)]
        failures = [failure for outcome in outcomes for failure in outcome.failures]
        if failures:
            self.failed = True
            click.echo("  FAILED:", err=True)
            for failure in failures:
                place = f"{file}:{failure.place.line}:{failure.place.column}"
                click.echo(f"{failure.text}\n        at: {place}\n", err=True)
        else:
            click.echo("  SUCCESS")
        click.echo()

    def _rules_of(self, tests: TestFile) -> list[RuleFile]:
        for pattern in tests.missing:
            click.echo(f"  WARNING: no file match pattern {pattern}", err=True)
        found = [self.rules.get(path) or read_rule_file(path) for path in tests.rule_files]
        self.rules.update(zip(tests.rule_files, found, strict=True))
        return found

    def _fail(self, file: str, text: str) -> None:
        self.failed = True
        self.errors[file] = text
        click.echo("  FAILED:", err=True)
        click.echo(text, err=True)
        click.echo()

    def show_coverage(self) -> None:
        for line in coverage_lines(coverage(list(self.rules.values()), self.ran)):
            click.echo(line)
