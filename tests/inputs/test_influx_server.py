"""Copies of a real InfluxDB: what arrives is what its points are as line protocol."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import novaql
from novaql import InputError, tsdb
from novaql.cli.main import run
from novaql.inputs.copying import OVERLAP_MS, WINDOW_MS, copy_samples
from novaql.inputs.http.influx_server import InfluxServer
from novaql.inputs.http.servers import server_at
from novaql.inputs.source_stream import source_stream
from novaql.inputs.text.influx import InfluxParser
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch
from tests.support.programs.influx_program import run_statement, running_influx, send_lines

pytestmark = pytest.mark.slow

START = 1_767_225_600_000
HOUR = 3_600_000
NS = 1_000_000
Samples = dict[tuple[str, int], float]
_numbers = itertools.count()


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_influx(tmp_path_factory.mktemp("influx") / "server") as url:
        yield url


def filled(url: str, lines: str) -> str:
    """The address of a new database with some lines."""
    name = f"data_{next(_numbers)}"
    run_statement(url, f"CREATE DATABASE {name}")
    send_lines(url, name, lines)
    return f"{url}?db={name}"


def at(address: str, **options: int) -> InfluxServer:
    found = server_at(address)
    assert isinstance(found, InfluxServer)
    if options:
        base, _, name = address.partition("?db=")
        return InfluxServer(base, {"db": name}, {}, **options)
    return found


def samples_of(batches: Iterator[Batch]) -> Samples:
    """Every sample; the last of a series at a time, as in a store."""
    found: Samples = {}
    for batch in batches:
        names = [json.dumps(labels, sort_keys=True) for labels in batch.series.dicts()]
        rows, times, values = batch.series_index, batch.timestamps, batch.values
        for row, time, value in zip(rows.tolist(), times.tolist(), values.tolist(), strict=True):
            found[names[row], time] = value
    return found


def stored(source: tsdb.Source) -> Samples:
    return samples_of(iter(source_stream(source).batches))


def parsed(lines: str) -> Samples:
    """What the lines are by NovaQL's reader of line protocol."""
    return samples_of(iter([InfluxParser().feed(f"{lines}\n".encode(), default_time_ms=0)]))


def points(hours: Sequence[int]) -> str:
    """Three rows of two hosts in each of some hours."""
    times = [(START + hour * HOUR + 600_000 * n) * NS for hour in hours for n in range(3)]
    return "\n".join(
        f"cpu,host={host} user={n}.5,system={n}i {time}"
        for host in ("a", "b")
        for n, time in enumerate(times)
    )


NAMES = (
    st.text("ab_ ,=\"'\\é$%{};-", min_size=1, max_size=4)
    .map(lambda text: f"n{text}n")
    # InfluxDB drops such a backslash of a measurement, against its documentation.
    .filter(lambda text: not re.search(r"\\[\", =\\]", text))
)
ESCAPES = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})
VALUES = {
    "float": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "integer": st.integers(-(2**63), 2**63 - 1).map("{}i".format),
    "truth": st.sampled_from(["t", "F", "true", "False"]),
    "text": st.sampled_from(['"12"', '"-1.5e3"', '"up"', '"1 2"', '""', '"a\\"b\\\\"', '" 7"']),
}


@st.composite
def some_lines(draw: st.DrawFn) -> str:
    """Points in the order of their times; a field has one type, as InfluxDB requires."""
    fields = draw(st.dictionaries(NAMES, st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    steps = draw(st.lists(st.integers(1, 2 * HOUR * NS), min_size=1, max_size=12))
    lines = []
    for time in itertools.accumulate(steps, initial=START * NS):
        tags = draw(st.dictionaries(NAMES, NAMES, max_size=3))
        head = [draw(NAMES).translate(ESCAPES)]
        head += [f"{k.translate(ESCAPES)}={v.translate(ESCAPES)}" for k, v in tags.items()]
        some = draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, unique=True))
        values = ",".join(f"{one.translate(ESCAPES)}={draw(VALUES[fields[one]])}" for one in some)
        lines.append(f"{','.join(head)} {values} {time}")
    return "\n".join(lines)


@settings(max_examples=25)  # each creates a database, which takes 0.2 s
@given(some_lines())
def test_a_copy_has_what_line_protocol_has(influx: str, lines: str) -> None:
    server = at(filled(influx, lines))

    found = samples_of(server.batches([], START - HOUR, START + 24 * HOUR))

    assert found == parsed(lines)


def test_times_before_1970_are_rounded_as_in_line_protocol(influx: str) -> None:
    lines = "m v=1 -5000000001\nm v=2 -1\nm v=3 0\nm v=4 999999"
    server = at(filled(influx, lines))

    assert server.oldest_ms(START) == -5001
    assert samples_of(server.batches([], -5001, -1)) == {
        ('{"__name__": "m_v"}', -5001): 1.0,
        ('{"__name__": "m_v"}', -1): 2.0,
    }
    assert samples_of(server.batches([], -(2**62), 2**62)) == parsed(lines)


def test_a_field_may_have_other_types_in_other_shards(influx: str) -> None:
    """A query of InfluxDB for the field has the values of one type, the numbers if there are."""
    weeks = [(START + 30 * 24 * HOUR * n) * NS for n in range(4)]
    values = ['"8"', "true", "7i", "1.5"]
    lines = "\n".join(f"m v={value} {at}" for value, at in zip(values, weeks, strict=True))
    server = at(filled(influx, lines))

    assert server.oldest_ms(weeks[-1] // NS) == START
    assert samples_of(server.batches([], START, weeks[-1] // NS)) == parsed(lines)


def test_everything_arrives_and_a_second_run_copies_what_is_new(
    influx: str, tmp_path: Path
) -> None:
    address, folder = filled(influx, points([0, 1, 30])), tmp_path / "copy"
    end = START + 32 * HOUR
    with tsdb.open(folder) as database:
        first = copy_samples(database, folder, at(address), end_ms=end)
    send_lines(influx, address.partition("?db=")[2], points([33]))
    with tsdb.open(folder) as database:
        second = copy_samples(database, folder, at(address), end_ms=end + 4 * HOUR)
        found = stored(database)

    assert first is not None
    assert second is not None
    assert first.samples == 3 * 3 * 4
    assert first.first_ms == START
    assert second.samples == 3 * 4
    assert second.first_ms == end + 1 - OVERLAP_MS
    assert found == parsed(f"{points([0, 1, 30])}\n{points([33])}")


class Breaking(InfluxServer):
    """Fails after some ranges, and notes those that were requested."""

    left = -1

    def __init__(self, address: str) -> None:
        base, _, name = address.partition("?db=")
        super().__init__(base, {"db": name}, {})
        self.ranges: list[tuple[int, int]] = []

    def batches(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Iterator[Batch]:
        self.ranges.append((start_ms, end_ms))
        if len(self.ranges) - 1 == self.left:
            raise InputError("the server is gone")
        return super().batches(matchers, start_ms, end_ms)


def test_an_interrupted_copy_goes_on(influx: str, tmp_path: Path) -> None:
    address, folder, end = (
        filled(influx, points([0, 1, 5, 9])),
        tmp_path / "copy",
        START + 10 * HOUR,
    )
    broken, whole = Breaking(address), Breaking(address)
    broken.left = 2
    with tsdb.open(folder) as database:
        with pytest.raises(InputError, match="is gone"):
            copy_samples(database, folder, broken, end_ms=end)
        between = stored(database)
        copy_samples(database, folder, whole, end_ms=end)
        found = stored(database)

    assert len(between) == 2 * 3 * 4
    assert found == parsed(points([0, 1, 5, 9]))
    assert [one[0] for one in broken.ranges] == [START, START + WINDOW_MS, START + 2 * WINDOW_MS]
    assert whole.ranges[0][0] == START + 2 * WINDOW_MS - OVERLAP_MS


def test_a_row_of_1970_costs_few_windows(influx: str, tmp_path: Path) -> None:
    """Milliseconds that were sent as nanoseconds are rows of January 1970."""
    lines = f"m v=1 {START}\nm v=2 {START * NS}"
    server, folder = Breaking(filled(influx, lines)), tmp_path / "copy"
    with tsdb.open(folder) as database:
        copied = copy_samples(database, folder, server, end_ms=START + HOUR)
        found = stored(database)

    assert copied is not None
    assert copied.first_ms == START // NS
    assert found == parsed(lines)
    begins, ends = zip(*server.ranges, strict=True)
    assert begins[1:] == tuple(end + 1 for end in ends[:-1])
    assert len(begins) < 150


def test_long_texts_are_not_read(influx: str) -> None:
    """Together they exceed what an answer may have."""
    text = "x" * 60_000
    times = [(START + n) * NS for n in range(2_000)]
    server = at(filled(influx, f'm v=1,t="7" {START * NS}'))
    for begin in range(1, 8):
        lines = "\n".join(f'm v=1,t="{text}" {time}' for time in times[begin::7])
        send_lines(influx, server.url.partition("?db=")[2], lines)

    found = samples_of(server.batches([], START, START + HOUR))

    assert sum(value == 1.0 for value in found.values()) == 2_000
    assert {key: value for key, value in found.items() if value != 1.0} == {
        ('{"__name__": "m_t"}', START): 7.0
    }


@pytest.mark.parametrize(
    ("matchers", "hosts", "metrics"),
    [
        ([("host", "=", "a")], ["a"], ["cpu_system", "cpu_user"]),
        ([("host", "!=", "a")], ["b"], ["cpu_system", "cpu_user"]),
        ([("host", "=", "a'b")], [], []),
        ([("rack", "=", "")], ["a", "b"], ["cpu_system", "cpu_user"]),
        ([("user", "=", "0")], [], []),  # a field is no label
        ([("__name__", "=", "cpu_user")], ["a", "b"], ["cpu_user"]),
        ([("__name__", "=~", ".*_sys.*"), ("host", "=~", "b|c")], ["b"], ["cpu_system"]),
    ],
)
def test_selectors_choose(
    influx: str, matchers: list[tuple[str, str, str]], hosts: list[str], metrics: list[str]
) -> None:
    server = at(filled(influx, points([0])))
    given_ = [Matcher(name, MatchOp(op), value) for name, op, value in matchers]

    found = [
        json.loads(name) for name, _ in samples_of(server.batches(given_, START, START + HOUR))
    ]

    assert sorted({one["host"] for one in found}) == hosts
    assert sorted({one["__name__"] for one in found}) == metrics
    assert server.has_samples(given_, START, START + HOUR) == bool(hosts)


def test_a_long_answer_comes_in_batches(influx: str) -> None:
    """Of a wide measurement, too: 120 fields are three queries."""
    fields = ",".join(f"f{n}={n}" for n in range(120))
    lines = "\n".join(f"m {fields} {(START + n) * NS}" for n in range(300))
    long = "\n".join(f"long v={n} {(START + n) * NS}" for n in range(12_000))
    server = at(filled(influx, f"{lines}\n{long}"), most_samples=6_000)

    sizes = [len(batch) for batch in server.batches([], START, START + HOUR)]
    found = samples_of(server.batches([], START, START + HOUR))

    assert sum(sizes) == 120 * 300 + 12_000
    assert max(sizes) <= 6_000 + 50 * 300
    assert len(sizes) >= 4
    assert found == parsed(f"{lines}\n{long}")


def test_a_retention_policy_is_named_by_rp(influx: str) -> None:
    address = filled(influx, f"m v=1 {START * NS}")
    name = address.partition("?db=")[2]
    run_statement(influx, f"CREATE RETENTION POLICY old ON {name} DURATION INF REPLICATION 1")
    send_lines(influx, name, f"m v=2 {START * NS}", rp="old")

    of_both = [
        list(samples_of(at(one).batches([], START, START)).values())
        for one in (address, f"{address}&rp=old")
    ]

    assert of_both == [[1.0], [2.0]]


def test_an_address_without_a_database_lists_them(
    influx: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = filled(influx, points([0])).partition("?db=")[2]

    code = run(["import", influx, "--data", str(tmp_path / "copy")])

    error = capsys.readouterr().err
    assert code == 1
    assert f"{influx}: this InfluxDB has the databases data_" in error
    listed = error.partition("databases ")[2].partition(":")[0].split(", ")
    assert name in listed
    assert f"as in '{influx}?db={listed[0]}'" in error
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("db=nope", "db=nope: InfluxDB answers: database not found: nope"),
        ("db=nope&p=secret", "the parameters db and rp, not p; a user and a password"),
    ],
)
def test_errors_name_the_server(influx: str, parameters: str, message: str, tmp_path: Path) -> None:
    with (
        tsdb.open(tmp_path / "copy") as database,
        pytest.raises(InputError, match=message) as caught,
    ):
        copy_samples(database, tmp_path / "copy", at(f"{influx}?{parameters}"))

    assert str(caught.value).startswith(influx)
    assert "secret" not in str(caught.value)


def test_a_query_of_an_influxdb_says_what_to_do(influx: str) -> None:
    address = filled(influx, points([0]))

    with pytest.raises(InputError, match="cannot be queried in place: copy it, by novaql import"):
        novaql.query("cpu_user", address)

    assert len(novaql.query("go_goroutines", f"{influx}/metrics")) == 1


def test_a_user_and_a_password_are_in_the_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "copy"
    with running_influx(tmp_path / "server", auth=True) as url:
        run_statement(url, "CREATE USER me WITH PASSWORD 's3cr@t' WITH ALL PRIVILEGES")
        own = url.replace("://", "://me:s3cr%40t@")
        address = filled(own, points([0]))
        command = ["import", address, "--data", str(target), "--end", str((START + HOUR) // 1000)]
        assert run(command) == 0
        copied = capsys.readouterr()
        wrong = [one.replace("s3cr%40t", "wr0ng") for one in command]
        assert run(wrong) == 1
        refused = capsys.readouterr()

    plain = address.replace("me:s3cr%40t@", "")
    assert copied.out.startswith("copied 12 samples of 2026-01-01T00:00:00Z to ")
    assert f" from {plain} into " in copied.out
    assert "401 Unauthorized" in refused.err
    assert "INFLUX_TOKEN a token" in refused.err
    (checkpoint,) = (target / "imports").iterdir()
    shown = f"{copied}{refused}{checkpoint.read_text()}"
    assert not any(secret in shown for secret in ("s3cr", "wr0ng"))
