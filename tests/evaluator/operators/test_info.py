"""`info` over many instances: the labels of the newest info series at each step."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from novaql import query
from novaql.errors import EvaluationError
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

STEPS, STEP_MS = 8, 300_000


def _data(series: Sequence[tuple[Mapping[str, str], list[int]]]) -> TableSource:
    """Series, and the steps at which each has a sample."""
    steps = [np.array(at) for _, at in series]
    rows = np.repeat(np.arange(len(series)), [len(at) for at in steps])
    times = np.concatenate(steps) * STEP_MS
    table = SeriesTable.from_dicts([labels for labels, _ in series])
    return TableSource(Batch(table, rows, times, np.ones(len(rows))))


def _enriched(data: TableSource) -> dict[tuple[str, str], set[int]]:
    """The steps of each series, by its labels instance and version."""
    found = query("info(up)", data, start=0, end=(STEPS - 1) * STEP_MS // 1000, step=300)
    assert found.valid is not None
    return {
        (labels["instance"], labels.get("version", "")): {int(step) for step in np.flatnonzero(row)}
        for labels, row in zip(found.series.dicts(), found.valid, strict=True)
    }


def _fleet(count: int) -> tuple[TableSource, dict[tuple[str, str], set[int]]]:
    """Instances of which each third keeps its version, changes it twice, or has none."""
    series: list[tuple[Mapping[str, str], list[int]]] = []
    expected: dict[tuple[str, str], set[int]] = {}
    for n in range(count):
        labels = {"instance": f"i{n}", "job": "a"}
        series.append(({"__name__": "up", **labels}, list(range(n % 2, STEPS))))
        steps = set(range(n % 2, STEPS))
        info = {"__name__": "target_info", **labels}
        versions = [{1: [0]}, {1: [0, 1, 6, 7], 2: [2, 3, 4, 5]}, {}][n % 3]
        for version, at in versions.items():
            times = at if n % 3 else list(range(STEPS))
            series.append(({**info, "version": f"v{n % 7}.{version}"}, times))
            if steps & set(times):
                expected[f"i{n}", f"v{n % 7}.{version}"] = steps & set(times)
        if not versions:
            expected[f"i{n}", ""] = steps
    return _data(series), expected


def test_each_step_has_the_labels_of_its_info_series() -> None:
    data, expected = _fleet(100)
    assert _enriched(data) == expected


def _calls(count: int) -> int:
    data, _ = _fleet(count)
    calls = 0

    def called(frame: object, event: str, argument: object) -> None:  # noqa: ARG001
        nonlocal calls
        calls += event in ("call", "c_call")

    _enriched(data)  # imports, and caches of the source
    sys.setprofile(called)
    try:
        _enriched(data)
    finally:
        sys.setprofile(None)
    return calls


def test_work_grows_with_the_instances_not_with_their_square() -> None:
    """It took a pass over all series for each instance."""
    assert _calls(2_000) < 2.5 * _calls(1_000)


def test_the_two_newest_info_series_are_named() -> None:
    up = {"instance": "i", "job": "a"}
    info = [{"__name__": "target_info", **up, "version": str(n)} for n in range(3)]
    base = ({"__name__": "up", **up}, [0, 1, 2, 3])
    data = _data([base, *zip(info, ([0], [2], [2]), strict=True)])
    with pytest.raises(EvaluationError, match=r'version="1"}, new {.*version="2"}'):
        _enriched(data)
