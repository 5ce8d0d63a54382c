"""query_async(): the event loop goes on, and a cancelled task ends its query."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import novaql
from novaql.tsdb.model.matchers import Matcher


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.prom"
    path.write_text('up{job="a"} 1 60000\nup{job="b"} 2 60000\n')
    return path


def test_it_answers_as_query_does(page: Path) -> None:
    options: dict[str, Any] = {"time": 60, "params": {"job": "b"}}
    expr = "up{job=$job}"
    assert asyncio.run(novaql.query_async(expr, page, **options)) == novaql.query(
        expr, page, **options
    )
    with pytest.raises(novaql.SyntaxProblem):
        asyncio.run(novaql.query_async("up{", page))
    with pytest.raises(TypeError, match="tim"):
        asyncio.run(novaql.query_async("up", page, tim=60))


def test_queries_of_a_database_run_side_by_side(page: Path) -> None:
    async def both() -> list[float]:
        with novaql.memory() as database:
            database.load(page)
            ask = (database.query_async(f'up{{job="{job}"}}', time=60) for job in "ab")
            return [result.item() for result in await asyncio.gather(*ask)]

    assert asyncio.run(both()) == [1, 2]


class Waiting:
    """A source whose first selection begins, and waits until a test lets it go on."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.began, self.go_on = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def select(self, matchers: Sequence[Matcher], *arguments: Any, **options: Any) -> Any:
        self.began.set()
        assert self.go_on.wait(60)
        return self._source.select(matchers, *arguments, **options)


def test_a_cancelled_task_ends_its_query(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[BaseException] = []
    answer = novaql.opening.answer

    def noting(*arguments: Any, **options: Any) -> Any:
        try:
            return answer(*arguments, **options)
        except BaseException as problem:
            ended.append(problem)
            raise

    monkeypatch.setattr(novaql.opening, "answer", noting)

    async def cancel(source: Waiting) -> None:
        task = asyncio.create_task(novaql.query_async("up", source, time=60))
        await asyncio.to_thread(source.began.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        source.go_on.set()

    with novaql.memory() as database:
        database.load(page)
        asyncio.run(cancel(Waiting(database.store)))  # it waits for threads at its end
    assert [type(problem) for problem in ended] == [novaql.QueryCancelled]
