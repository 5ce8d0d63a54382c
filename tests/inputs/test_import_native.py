"""Native histograms and start timestamps on their way from files into a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaql import query, tsdb
from novaql.errors import InputError
from novaql.inputs.importer import import_into
from novaql.inputs.read_options import ExposedOptions
from tests.support.messages.metric_families import FAMILY_CLASSES, delimited

TIMES = (60_000, 120_000)
TEXT = """\
# TYPE h histogram
h_bucket{le="1.0"} 1.0 60.0
h_bucket{le="2.0"} 3.0 60.0
h_bucket{le="+Inf"} 4.0 60.0
h_count 4.0 60.0
h_sum 6.0 60.0
h_created 20.0 60.0
# EOF
"""


def messages() -> bytes:
    family = FAMILY_CLASSES["proto3"]
    one = family(name="h", type=4)
    for nth, time_ms in enumerate(TIMES):
        metric = one.metric.add(timestamp_ms=time_ms)
        metric.histogram.sample_count = 4 * (nth + 1)
        metric.histogram.sample_sum = 6.0 * (nth + 1)
        metric.histogram.positive_span.add(offset=0, length=2)
        metric.histogram.positive_delta.extend([nth + 1, nth + 1])
        metric.histogram.zero_count = nth + 1
        metric.histogram.created_timestamp.seconds = 20
    up = family(name="up", type=1)
    up.metric.add(timestamp_ms=TIMES[0]).gauge.value = 1
    return delimited([one, up])


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_native_histograms_go_into_a_database(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "m.pb"
    path.write_bytes(messages())
    database = tsdb.memory() if kind == "memory" else tsdb.open(tmp_path / "data")
    with database:
        report = import_into(database, path)
        assert (report.samples, report.series, report.files) == (3, 2, 1)
        database.flush()
        for text, value in (
            ("histogram_count(h)", 8.0),
            ("histogram_sum(h)", 12.0),
            ("histogram_fraction(0.5, 1, h)", 0.25),
            ("increase(h[61s])", None),
        ):
            found = query(text, database, time=120)
            assert len(found) == 1
            if value is not None:
                assert found.values.ravel().tolist() == [value]
        assert database.metadata()["h"].type == "histogram"


def test_classic_histograms_are_converted_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "m.om"
    path.write_text(TEXT)
    with tsdb.memory() as database:
        report = import_into(
            database, path, exposed=ExposedOptions(convert_classic=True, start_timestamps=True)
        )
        assert (report.samples, report.series) == (1, 1)
        found = query("histogram_quantile(0.5, h)", database, time=60)
        assert found.values.ravel().tolist() == [1.5]
        assert len(query("h_count", database, time=60)) == 0


def test_a_damaged_file_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    path.write_bytes(messages()[:-1])
    with tsdb.memory() as database:
        with pytest.raises(InputError, match="is cut off"):
            import_into(database, path)
        assert database.time_range() is None
