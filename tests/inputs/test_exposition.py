from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics_oracle
from prometheus_client.parser import text_string_to_metric_families

from novaql.errors import InputError
from novaql.inputs.batch_stream import concat_batches
from novaql.inputs.read_options import ReadOptions
from novaql.inputs.text.exposition import ExpositionParser, canonical_bound, read_exposition
from novaql.text.series_parser import SeriesTextProblem, parse_series
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata
from tests.support.store.batches import Plain, batches, bits, plain

NOW = 1_700_000_000_000
TEXT = b"""\
# HELP http_requests_total Requests \\\\ by\\ncode.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400",}    3 1395066363000

# just a comment
msdos_time_seconds{path="C:\\\\FILE.TXT",error="Cannot find file:\\n\\"FILE.TXT\\""} 1.458255915e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
rpc_duration_seconds{quantile="0.01"} NaN
rpc_duration_seconds{quantile="0.5",} -0.0
brace{path="/a/{id}/b"} 4e3
"""


def parse(text: bytes, *, openmetrics: bool = False) -> Batch:
    parser = ExpositionParser(openmetrics=openmetrics, default_time_ms=NOW)
    batch = parser.feed(text)
    parser.finish()
    return batch


def by_prometheus_client(text: bytes) -> Plain:
    out: Plain = {}
    families = text_string_to_metric_families(text.decode())
    for family in families:
        for sample in family.samples:
            labels = {"__name__": sample.name, **sample.labels}
            time = NOW if sample.timestamp is None else round(float(sample.timestamp) * 1000)
            out.setdefault(tuple(sorted(labels.items())), {})[time] = bits(sample.value)
    return out


def test_the_text_format_reads_as_its_own_library_reads_it() -> None:
    assert plain(parse(TEXT)) == by_prometheus_client(TEXT)


ordinary = st.floats(allow_nan=False)
text_times = st.integers(0, 10**13)
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


def written(batch: Batch, *, openmetrics: bool = False) -> bytes:
    """The batch as exposition text, the plain way."""
    lines = []
    sets = batch.series.dicts()
    for row, time, value in zip(
        batch.series_index.tolist(), batch.timestamps.tolist(), batch.values.tolist(), strict=True
    ):
        labels = dict(sets[row])
        name = labels.pop("__name__")
        inside = ",".join(f'{label}="{text.translate(ESCAPES)}"' for label, text in labels.items())
        stamp = f"{time // 1000}.{time % 1000:03d}" if openmetrics else str(time)
        lines.append(f"{name}{{{inside}}} {value!r} {stamp}\n")
    return "".join(lines).encode() + (b"# EOF\n" if openmetrics else b"")


@given(batches(values=ordinary, at=text_times, text=printable))
def test_what_is_written_is_read_back(batch: Batch) -> None:
    assert plain(parse(written(batch))) == plain(batch)
    assert plain(parse(written(batch, openmetrics=True), openmetrics=True)) == plain(batch)


@settings(max_examples=50)
@given(batches(values=ordinary, at=text_times, text=printable))
def test_generated_text_reads_as_the_library_reads_it(batch: Batch) -> None:
    text = written(batch)
    assert plain(parse(text)) == by_prometheus_client(text)


@given(batches(values=ordinary, at=text_times), st.integers(1, 6))
def test_blocks_may_end_at_any_line(batch: Batch, lines_each: int) -> None:
    parser = ExpositionParser(openmetrics=False, default_time_ms=NOW)
    lines = written(batch).splitlines(keepends=True)
    lines = [line for line in b"".join(lines).split(b"\n") if line]
    out: Plain = {}
    for at in range(0, len(lines), lines_each):
        block = b"".join(line + b"\n" for line in lines[at : at + lines_each])
        for labels, samples in plain(parser.feed(block)).items():
            out.setdefault(labels, {}).update(samples)
    assert out == plain(batch)


OPENMETRICS = b"""\
# TYPE http_requests counter
# UNIT http_requests requests
# HELP http_requests Requests "by" code.
http_requests_total{code="200"} 1027 1395066363.5 # {trace_id="K{}x"} 0.67 1395066363.1
http_requests_created{code="200"} 1.5e9 1395066363.5
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 8 # {} 0.054
latency_seconds_bucket{le="+Inf"} 10 # {trace="a"} 0.4
latency_seconds_sum 1.2
latency_seconds_count 10
# EOF
"""


def test_openmetrics_with_exemplars_and_seconds() -> None:
    parser = ExpositionParser(openmetrics=True, default_time_ms=NOW)
    found = plain(parser.feed(OPENMETRICS))
    parser.finish()
    expected: Plain = {}
    text = OPENMETRICS.decode().replace("http_requests requests", "http_requests ")
    text = text.replace("# UNIT http_requests \n", "")
    families = openmetrics_oracle.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    for family in families:
        for sample in family.samples:
            labels = {"__name__": sample.name, **sample.labels}
            time = NOW if sample.timestamp is None else round(float(sample.timestamp) * 1000)
            expected.setdefault(tuple(sorted(labels.items())), {})[time] = bits(sample.value)
    assert found == expected
    assert parser.metadata == {
        "http_requests": Metadata("counter", 'Requests "by" code.', "requests"),
        "latency_seconds": Metadata("histogram"),
    }


def test_metadata_of_the_text_format() -> None:
    parser = ExpositionParser(openmetrics=False, default_time_ms=NOW)
    parser.feed(TEXT)
    assert parser.metadata == {"http_requests_total": Metadata("counter", "Requests \\ by\ncode.")}


def test_quoted_utf8_names() -> None:
    batch = parse('{"température","pièce"="salle à manger"} 19.5\n{"up"} 1\n'.encode())
    assert [dict(labels) for labels in batch.series] == [
        {"__name__": "température", "pièce": "salle à manger"},
        {"__name__": "up"},
    ]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (b"up", 3, "a value is missing"),
        (b"up one", 4, "'one' is no number"),
        (b"up 1_000", 4, "'1_000' is no number"),
        (b"up 0x1p3", 4, "no number"),
        (b"up -1e400", 4, "'-1e400' is no number"),
        (b"up 1 1.5", 6, "no time in whole milliseconds"),
        (b"up 1 99999999999999999999", 6, "no time"),
        (b"up 1 2 3", 8, "unexpected text behind the sample"),
        (b"1up 1", 1, "a metric name is missing"),
        (b'{job="x"} 1', 1, "a metric name is missing"),
        (b'up{job="x"', 11, "expected , or }"),
        (b"up{", 4, "never closed"),
        (b"up{job=x} 1", 4, "double quotes"),
        (b"up{job} 1", 7, "behind the label job"),
        (b'up{job="x} 1', 4, "not closed"),
        (b'up{job="x",job="y"} 1', 12, "job is given twice"),
        (b'up{0="x"} 1', 4, "no label"),
        (b'up{job="x";a="y"} 1', 11, "expected , or }"),
        (b'up{job="\xff"} 1', 9, "UTF-8"),
        (b"# TYPE up counting", 11, "no metric type"),
    ],
)
def test_a_bad_line_is_located(line: bytes, column: int, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(b"good 1\nalso_good 2\n" + line + b"\nlast 3\n")
    message = str(caught.value)
    assert message.startswith(f"text:3:{column}: "), message
    assert reason in message


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b"up 1\n", 2, "# EOF is missing"),
        (b"", 1, "# EOF is missing"),
        (b"up 1\n# EOF\nup 2\n", 3, "behind # EOF"),
        (b"up 1\n\n# EOF\n", 2, "no empty lines"),
        (b"up 1\n# remark\n# EOF\n", 2, "expected # HELP"),
        (b"up 1 nan\n# EOF\n", 1, "no time in seconds"),
    ],
)
def test_openmetrics_is_strict_about_its_frame(text: bytes, line: int, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        parse(text, openmetrics=True)
    assert str(caught.value).startswith(f"text:{line}:")


def test_lines_are_counted_over_blocks() -> None:
    parser = ExpositionParser(openmetrics=False, default_time_ms=NOW, what="many.prom")
    parser.feed(b"a 1\nb 2\n")
    with pytest.raises(InputError, match=r"^many\.prom:4:3: "):
        parser.feed(b"a 1\nb two\n")


@given(st.binary(max_size=60), st.booleans())
def test_noise_is_read_or_refused(noise: bytes, openmetrics: bool) -> None:
    try:
        batch = parse(noise + b"\n", openmetrics=openmetrics)
    except InputError as problem:
        place = str(problem).split(": ")[0]
    else:
        place = "text:1:1"
        assert all(labels["__name__"] for labels in batch.series)
    assert place.startswith("text:")


@given(st.text('a{}",=\\b \n1', max_size=20))
def test_the_quick_and_the_thorough_reading_of_a_series_agree(text: str) -> None:
    try:
        found = parse_series(text)
    except SeriesTextProblem as problem:
        assert 0 <= problem.position <= len(text)  # noqa: PT017 - half of the property
        return
    spaced = text.replace("{", "{ ", 1)  # a blank keeps the quick way out
    assert parse_series(spaced) == found or '"' in text.partition("{")[0]


def test_the_same_series_share_a_table() -> None:
    parser = ExpositionParser(openmetrics=False, default_time_ms=NOW)
    first = parser.feed(b'up{job="a"} 1\nup{job="b"} 1\n')
    parser.start(NOW + 1000, openmetrics=False)
    second = parser.feed(b'up{job="b"} 0\nup{job="a"} 1\n')
    assert first.series is second.series
    assert plain(second)[(("__name__", "up"), ("job", "b"))] == {NOW + 1000: bits(0.0)}


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("5", "5.0"),
        ("0.25", "0.25"),
        ("+Inf", "+Inf"),
        ("inf", "+Inf"),
        ("1e3", "1000.0"),
        ("1e21", "1e+21"),
        ("odd", "odd"),
    ],
)
def test_bounds_as_a_scraper_writes_them(text: str, canonical: str) -> None:
    assert canonical_bound(text) == canonical


@pytest.mark.parametrize("packed", [False, True])
def test_files_plain_and_packed(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("dump.prom.gz" if packed else "dump.prom")
    path.write_bytes(gzip.compress(TEXT) if packed else TEXT)
    seen: list[tuple[int, int]] = []
    metadata: dict[str, Metadata] = {}
    options = ReadOptions(default_time_ms=NOW, progress=lambda *at: seen.append(at))
    (batch,) = read_exposition(path, metadata, options)
    assert plain(batch) == by_prometheus_client(TEXT)
    assert seen[-1][0] == seen[-1][1] == path.stat().st_size
    assert list(metadata) == ["http_requests_total"]


def test_a_file_that_ends_in_eof_is_openmetrics(tmp_path: Path) -> None:
    path = tmp_path / "dump.txt"
    path.write_bytes(b"up 1 1.5\n# EOF\n")
    (batch,) = read_exposition(path, {}, ReadOptions())
    assert batch.timestamps.tolist() == [1500]


def test_a_last_line_without_newline_counts(tmp_path: Path) -> None:
    path = tmp_path / "dump.prom"
    path.write_bytes(b"up 1 1500\nup 2 2500")
    batch = concat_batches(read_exposition(path, {}, ReadOptions()))
    assert batch.values.tolist() == [1.0, 2.0]
    assert batch.timestamps.tolist() == [1500, 2500]
