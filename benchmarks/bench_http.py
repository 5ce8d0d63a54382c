"""The cost of encoding an answer: 100 series × 360 steps, 36 000 points."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from novaql import Result, ResultKind
from novaql.export.csv_text import write_csv
from novaql.export.prometheus_json import prometheus_data
from novaql.tsdb.model.labels import SeriesTable

SERIES, STEPS = 100, 360


@pytest.fixture(scope="module")
def answer() -> Result:
    rng = np.random.default_rng(3)
    labels = [{"job": f"job-{n % 10}", "instance": f"host-{n:03d}:8080"} for n in range(SERIES)]
    return Result(
        ResultKind.MATRIX,
        SeriesTable.from_dicts(labels),
        1_767_225_600_000 + np.arange(STEPS, dtype=np.int64) * 60_000,
        rng.lognormal(3, 2, (SERIES, STEPS)),
    )


def bench_prometheus_json(benchmark: BenchmarkFixture, answer: Result) -> None:
    """Decides whether JSON needs more than orjson on arrays. Grafana requests this format."""
    body = benchmark(prometheus_data, answer)

    found = json.loads(body)["result"]
    assert len(found) == SERIES
    assert [float(text) for _, text in found[7]["values"]] == answer.values[7].tolist()


def bench_csv(benchmark: BenchmarkFixture, answer: Result) -> None:
    """CSV as `novaql query --format csv` writes it."""

    def written() -> bytes:
        out = io.BytesIO()
        write_csv(answer, out)
        return out.getvalue()

    assert benchmark(written).count(b"\n") == SERIES * STEPS + 1


def bench_arrow_stream(benchmark: BenchmarkFixture, answer: Result) -> None:
    """Arrow IPC: decides whether it is cheap enough to be the recommended format for programs."""

    def written() -> pa.Buffer:
        table = answer.arrow()
        out = pa.BufferOutputStream()
        with pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
        return out.getvalue()

    assert pa.ipc.open_stream(benchmark(written)).read_all().num_rows == SERIES * STEPS
