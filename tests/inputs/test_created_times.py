from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from novaql.inputs.open_any import open_stream
from novaql.inputs.read_options import ExposedOptions, ReadOptions
from novaql.inputs.text.created_times import CreatedTimes
from novaql.inputs.text.exposition import ExpositionParser
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Metadata
from tests.support.store.batches import plain

NOW = 1_700_000_000_000
TEXT = """\
# TYPE requests counter
requests_total{code="200"} 17.0 # {trace_id="a"} 1.0 1600000000.0
requests_created{code="200"} 1520872607.123
requests_total{code="500"} 3.0
requests_created{code="500"} 1520872608.0
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 1.0 # {} 0.05
took_seconds_bucket{le="+Inf"} 2.0
took_seconds_count 2.0
took_seconds_sum 0.3
took_seconds_created 1520872609.5
# TYPE size summary
size{quantile="0.5"} 4.0
size_count 7.0
size_sum 30.0
size_created 1520872610.0
# TYPE plain gauge
plain 1.0
# EOF
"""


def read(text: str) -> tuple[Batch, dict[str, Metadata], int]:
    parser = ExpositionParser(openmetrics=True, default_time_ms=NOW)
    batch = parser.feed(text.encode())
    parser.finish()
    return batch, parser.metadata, parser.exemplars


def starts_of(batch: Batch) -> dict[tuple[tuple[str, str], ...], int]:
    sets = [tuple(sorted(labels.items())) for labels in batch.series]
    starts = np.zeros(len(batch), np.int64) if batch.starts is None else batch.starts
    return {
        sets[row]: start
        for row, start in zip(batch.series_index.tolist(), starts.tolist(), strict=True)
    }


def by_prometheus_client(text: str) -> dict[tuple[tuple[str, str], ...], int]:
    found = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        created = {}
        for sample in family.samples:
            if sample.name == f"{family.name}_created":
                created[frozenset(sample.labels.items())] = round(sample.value * 1000)
        for sample in family.samples:
            if sample.name == f"{family.name}_created":
                continue
            own = {k: v for k, v in sample.labels.items() if k not in ("le", "quantile")}
            key = {"__name__": sample.name, **sample.labels}
            found[tuple(sorted(key.items()))] = created.get(frozenset(own.items()), 0)
    return found


def test_created_lines_become_start_timestamps() -> None:
    batch, metadata, exemplars = read(TEXT)
    assert exemplars == 2
    found = CreatedTimes().apply(batch, metadata)
    assert starts_of(found) == by_prometheus_client(TEXT)
    assert len(found.series) == len(found)
    kept = plain(batch)
    assert plain(found) == {key: kept[key] for key in by_prometheus_client(TEXT)}


def test_the_same_series_share_one_table() -> None:
    created = CreatedTimes()
    batch, metadata, _ = read(TEXT)
    first = created.apply(batch, metadata)
    again = created.apply(batch, dict(metadata))
    assert again.series is first.series


def test_a_family_of_its_own_that_ends_in_created_is_no_start() -> None:
    batch, metadata, _ = read(
        "# TYPE odd_created gauge\nodd_created 5.0\n# TYPE odd counter\nodd_total 6.0\n# EOF\n"
    )
    assert CreatedTimes().apply(batch, metadata) is batch


def test_a_text_without_created_lines_stays_as_it_is() -> None:
    batch, metadata, _ = read("# TYPE a counter\na_total 1.0\n# EOF\n")
    assert CreatedTimes().apply(batch, metadata) is batch


def test_each_sample_gets_the_start_of_its_own_time() -> None:
    text = (
        "# TYPE a counter\n"
        "a_total 1.0 100.0\na_created 50.0 100.0\n"
        "a_total 2.0 200.0\n"
        "a_total 0.0 300.0\na_created 250.0 300.0\n"
        "# TYPE b counter\n"
        "b_total 1.0 100.0\nb_created 90.0 150.0\n"
        "# TYPE c counter\n"
        "c_total 1.0 100.0\nc_created 101.0 100.0\n"
        "# TYPE d counter\n"
        "d_total 1.0 100.0\nd_created NaN 100.0\n# EOF\n"
    )
    batch, metadata, _ = read(text)
    found = CreatedTimes().apply(batch, metadata)
    assert found.timestamps.tolist() == [100_000, 200_000, 300_000, 100_000, 100_000, 100_000]
    assert found.starts is not None
    # c begins after its sample, and d at no time: neither is believed.
    assert found.starts.tolist() == [50_000, 50_000, 250_000, 90_000, 0, 0]


@pytest.mark.parametrize("asked", [None, False, True])
def test_it_is_done_when_asked_for(tmp_path: Path, asked: bool | None) -> None:
    path = tmp_path / "metrics.om"
    path.write_text(TEXT)
    options = ExposedOptions(start_timestamps=asked)
    source = open_stream(path, ReadOptions(exposed=options, default_time_ms=NOW)).collect()
    names = source.label_values("__name__", [], MIN_TIME_MS, MAX_TIME_MS)
    assert ("requests_created" in names) == (asked is not True)
    starts = [view.starts for view in source.select([], 0, NOW).views()]
    assert any(found is not None for found in starts) == (asked is True)
