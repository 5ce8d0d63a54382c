"""Collects test scripts: one item per eval, named `aggregators.test::12: eval instant …`.

`cases/*.test` are ours and must pass, with and without the optimiser. Scripts of Prometheus itself
are taken from `../shared/conformance/promqltest` beside the checkout where that folder exists; an
eval listed in `known_failures.txt` must fail there, so the list can only shrink.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from novaql import evaluate
from novaql.promqltest.comparison import joined
from novaql.promqltest.problems import ScriptError
from novaql.promqltest.runner import cases, run_eval
from novaql.promqltest.script import Eval
from novaql.promqltest.script_parser import read_script
from novaql.promqltest.storage import Storage
from tests.promql import known_failures
from tests.promql.known_failures import CONFORMANCE, KNOWN_FAILURES

HERE = Path(__file__).parent
UNOPTIMIZED = partial(evaluate, optimizer=False)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".test":
        return ScriptFile.from_parent(parent, path=file_path)
    if file_path == KNOWN_FAILURES:
        return ConformanceScripts.from_parent(parent, path=file_path)
    return None


class ConformanceScripts(pytest.File):
    """Scripts outside the checkout; one skipped item that says so where they are missing."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        if not CONFORMANCE.is_dir():
            yield MissingScripts.from_parent(self, name="conformance scripts")
            return
        known = known_failures.read()
        for path in sorted(CONFORMANCE.glob("*.test")):
            script: ScriptFile = ScriptFile.from_parent(self, path=path, name=path.name)
            script.known_failures = known.get(path.name, {})
            yield script


class MissingScripts(pytest.Item):
    def runtest(self) -> None:
        pytest.skip(
            "Prometheus's own scripts are not here: put promql/promqltest/testdata/*.test of "
            "prometheus/prometheus into ../shared/conformance/promqltest beside the checkout"
        )


class ScriptFile(pytest.File):
    known_failures: dict[int, str] = {}  # noqa: RUF012 - replaced as a whole, never changed

    def collect(self) -> Iterator[pytest.Item]:
        try:
            script = read_script(self.path)
        except ScriptError as problem:
            raise self.CollectError(str(problem)) from problem
        for case, storage in cases(script):
            item: EvalItem = EvalItem.from_parent(self, name=f"{case.line}: {case.title}")
            item.case, item.storage = case, storage
            item.reason = self.known_failures.get(case.line)
            yield item


class EvalItem(pytest.Item):
    case: Eval
    storage: Storage
    reason: str | None

    def runtest(self) -> None:
        verdict = run_eval(self.case, self.storage)
        if verdict.passed and self.path.is_relative_to(HERE):
            verdict = run_eval(self.case, self.storage, UNOPTIMIZED)
        if self.reason is None and not verdict.passed:
            raise DiffersError(joined(verdict.differences))
        if self.reason is not None and verdict.passed:
            raise DiffersError(
                f"    it passes now: take it off {KNOWN_FAILURES.name} (listed as: {self.reason})"
            )

    def repr_failure(  # type: ignore[override]  # narrower: a diff is text
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        if isinstance(excinfo.value, DiffersError):
            return f"{self.path}:{self.case.line}:\n{self.case.source}\n{excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.line - 1, self.name


class DiffersError(Exception):
    """The eval does not give what is expected; the text is the diff."""
