"""The scripts' samples give the same answers when they come from a store on disk.

Prometheus's own scripts are taken from the same place as by `conftest.py`; where they are missing,
those of this folder run alone. `NOVAQL_STORED_SCRIPTS=all` runs every script, else those run whose
samples are of every kind: start timestamps, histograms, staleness markers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql import tsdb
from novaql.engine import evaluate
from novaql.options import QueryOptions
from novaql.promqltest.runner import cases, run_eval
from novaql.promqltest.script_parser import read_script
from novaql.result import Result
from novaql.tsdb.model.source import Source
from tests.promql import known_failures
from tests.support.store.stored_sources import stored

FEW = (
    "start_timestamps.test", "staleness.test", "extended_vectors.test", "counters.test",
    "selectors_with_or.test", "lifting.test", "automatic_windows.test",
)  # fmt: skip


def scripts() -> list[Path]:
    here = Path(__file__).parent
    folders = ("cases", "families", "extensions")
    own = sorted(path for folder in folders for path in (here / folder).glob("**/*.test"))
    every = [*own, *sorted(known_failures.CONFORMANCE.glob("*.test"))]
    if os.environ.get("NOVAQL_STORED_SCRIPTS") == "all":
        return every
    return [path for path in every if path.name in FEW]


class Stored:
    """An engine that reads a store instead of the source that it is given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._source: Source | None = None
        self._database: tsdb.Database | None = None
        self._count = 0

    def __call__(self, query: str, source: Source, options: QueryOptions) -> Result:
        if source is not self._source or self._database is None:
            self.close()
            self._source, self._count = source, self._count + 1
            self._database = stored(source, self._folder / str(self._count))
        return evaluate(query, self._database, options)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Stored]:
    made = Stored(tmp_path)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_answers_are_the_same(path: Path, engine: Stored) -> None:
    known = known_failures.read().get(path.name, {})
    wrong = []
    for case, storage in cases(read_script(path)):
        verdict = run_eval(case, storage, engine)
        if not verdict.passed and case.line not in known:
            wrong.append(
                f"{path.name}:{case.line}: {case.source}\n" + "\n".join(verdict.differences)
            )
    assert not wrong, "\n\n".join(wrong[:5]) + f"\n{len(wrong)} in all"
