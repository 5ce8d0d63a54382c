"""Copies of whole servers: all samples arrive, and a second run goes on where the first ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest

from novaql import InputError, tsdb
from novaql.cli.main import run
from novaql.inputs.copying import OVERLAP_MS, WINDOW_MS, copy_samples
from novaql.inputs.http.servers import Server, ServerSource, server_at
from novaql.inputs.source_stream import source_stream
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import NO_HINTS, Hints, Metadata, Selection
from tests.support.messages.remote_write_messages import Series, message_of, packed
from tests.support.programs.prometheus_programs import running_prometheus
from tests.support.programs.victoria_program import running_victoria, send_series, show_samples
from tests.support.servers.http_server import WRITE_HEADERS, local_server

START = 1_767_225_600_000 + 1_234
CONFIG = "global: {}\nstorage: {tsdb: {out_of_order_time_window: 10y}}\n"
HOUR = 3_600_000
Sample = tuple[int, float]


def series(hours: Sequence[int], *, metrics: int = 3) -> list[Series]:
    """Three samples in each of some hours, of two series of each metric."""
    times = [START + hour * HOUR + 600_000 * n for hour in hours for n in range(3)]
    return [
        ({"__name__": f"metric_{m}", "host": host}, [(at, float(at % 1000 + m)) for at in times])
        for m in range(metrics)
        for host in ("a", "b")
    ]


def flat(source: tsdb.Source) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for batch in source_stream(source).batches:
        names = [json.dumps(labels, sort_keys=True) for labels in batch.series.dicts()]
        rows, times, values = batch.series_index, batch.timestamps, batch.values
        for row, at, value in zip(rows.tolist(), times.tolist(), values.tolist(), strict=True):
            found.setdefault(names[row], []).append((at, value))
    return {name: sorted(samples) for name, samples in found.items()}


def expected(given: Sequence[Series]) -> dict[str, list[Sample]]:
    return {json.dumps(labels, sort_keys=True): [*samples] for labels, samples in given}


def written(url: str, some: Sequence[Series]) -> None:
    body = packed(message_of(some))
    httpx.post(f"{url}/api/v1/write", content=body, headers=WRITE_HEADERS).raise_for_status()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with samples of ten hours, some of them empty.

    While all samples are in its head, it lists their names for the empty hours, too.
    """
    folder = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder / "server", CONFIG) as url:
        written(url, series([0, 1, 5, 9]))
        begin = START // HOUR * HOUR + 2 * HOUR
        deadline = time.monotonic() + 60
        while at(url).has_samples([], begin, begin + 2 * HOUR - 1):
            assert time.monotonic() < deadline, "its head was not compacted"
            time.sleep(0.05)
        yield url


def at(url: str) -> Server:
    found = server_at(url)
    assert isinstance(found, Server)
    return found


@pytest.mark.slow
def test_everything_of_a_prometheus_arrives(prometheus: str, tmp_path: Path) -> None:
    with tsdb.open(tmp_path / "copy") as database:
        copied = copy_samples(database, tmp_path / "copy", at(prometheus))
        found = flat(database)

    assert copied is not None
    assert copied.samples == 3 * 4 * 6
    assert copied.first_ms == START // HOUR * HOUR
    assert found == expected(series([0, 1, 5, 9]))


@pytest.mark.slow
def test_a_second_run_copies_what_is_new(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    with local_server() as server:
        url = str(server.client.base_url)
        token = server.bearer()["Authorization"].split()[1]

        def write(some: Sequence[Series]) -> None:
            body = packed(message_of(some))
            headers = {**WRITE_HEADERS, **server.bearer()}
            path = "/prometheus/api/v1/write"
            server.client.post(path, content=body, headers=headers).raise_for_status()

        write(series([0, 1]))
        end = START + 4 * HOUR
        found = server_at(url, token=token)
        assert found is not None
        with tsdb.open(folder) as database:
            first = copy_samples(database, folder, found, end_ms=end)
        write(series([5]))
        with tsdb.open(folder) as database:
            second = copy_samples(database, folder, found, end_ms=end + 4 * HOUR)
            copy = flat(database)

    assert first is not None
    assert second is not None
    assert first.samples == 6 * 6
    assert second.samples == 3 * 6
    assert second.first_ms == end + 1 - OVERLAP_MS
    assert copy == expected(series([0, 1, 5]))


class Small:
    """A server with the given samples of one series."""

    url = "http://small"

    def __init__(self) -> None:
        self.times: list[int] = []

    def metadata(self) -> dict[str, Metadata]:
        return {}

    def oldest_ms(self, last_ms: int) -> int | None:
        return min((at for at in self.times if at <= last_ms), default=None)

    def has_samples(self, _matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> bool:
        return any(start_ms <= at <= end_ms for at in self.times)

    def batches(
        self, _matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Iterator[tsdb.Batch]:
        times = np.array([at for at in self.times if start_ms <= at <= end_ms], np.int64)
        table = SeriesTable.from_dicts([{"__name__": "up"}])
        yield tsdb.Batch(table, np.zeros(len(times), np.int32), times, np.ones(len(times)))


def test_a_run_after_one_with_a_future_end_copies_what_is_new(tmp_path: Path) -> None:
    server, now = Small(), round(time.time() * 1000)
    server.times = [now - HOUR]
    with tsdb.open(tmp_path / "copy") as database:
        copy_samples(database, tmp_path / "copy", server, end_ms=now + 30 * 24 * HOUR)
        server.times.append(round(time.time() * 1000))
        copy_samples(database, tmp_path / "copy", server)
        found = flat(database)

    assert [at for at, _ in found['{"__name__": "up"}']] == server.times


class Breaking:
    """Samples of a server that fails after some requests, and the ranges that were requested."""

    def __init__(self, source: ServerSource, after: int) -> None:
        self._source, self._left = source, after
        self.ranges: list[tuple[int, int]] = []

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: Hints = NO_HINTS
    ) -> Selection:
        if self._left == 0:
            raise InputError("the server is gone")
        self._left -= 1
        self.ranges.append((start_ms, end_ms))
        return self._source.select(matchers, start_ms, end_ms, hints)


@pytest.mark.slow
def test_an_interrupted_copy_goes_on(prometheus: str, tmp_path: Path) -> None:
    server, folder = at(prometheus), tmp_path / "copy"
    end = START + 10 * HOUR
    broken = Breaking(server.samples, after=2)
    partly = Server(server.url, broken, server.names)  # type: ignore[arg-type]  # select is enough
    with tsdb.open(folder) as database:
        with pytest.raises(InputError, match="is gone"):
            copy_samples(database, folder, partly, end_ms=end)
        between = flat(database)

    whole = Breaking(server.samples, after=-1)
    again = Server(server.url, whole, server.names)  # type: ignore[arg-type]
    with tsdb.open(folder) as database:
        copy_samples(database, folder, again, end_ms=end)
        found = flat(database)

    assert between == expected(series([0, 1, 5]))
    assert found == expected(series([0, 1, 5, 9]))
    # The window after the last whole one was requested again, and nothing before the overlap.
    begun = START // HOUR * HOUR
    assert [window[0] for window in broken.ranges] == [begun, begun + 2 * WINDOW_MS]
    assert whole.ranges[0][0] >= broken.ranges[-1][1] - OVERLAP_MS


def test_selectors_and_times_choose(prometheus: str, tmp_path: Path) -> None:
    host = ('{host="a"}', [Matcher("host", MatchOp.EQUAL, "a")])
    with tsdb.open(tmp_path / "copy") as database:
        copy_samples(
            database,
            tmp_path / "copy",
            at(prometheus),
            match=[host],
            start_ms=START + HOUR,
            end_ms=START + 5 * HOUR,
        )
        found = flat(database)

    some = [one for one in series([1, 5]) if one[0]["host"] == "a"]
    cut = [(labels, samples[:4]) for labels, samples in some]
    assert found == expected(cut)


@pytest.mark.slow
def test_a_server_without_remote_read_is_copied_by_queries(tmp_path: Path) -> None:
    given = series([0, 3])
    with running_victoria(tmp_path / "victoria") as url:
        send_series(
            url,
            [
                (labels, [at for at, _ in samples], [value for _, value in samples])
                for labels, samples in given
            ],
        )
        show_samples(url)
        with tsdb.open(tmp_path / "copy") as database:
            copied = copy_samples(database, tmp_path / "copy", at(url), end_ms=START + 4 * HOUR)
            found = flat(database)

    assert copied is not None
    assert found == expected(given)


def test_the_command_goes_on(
    prometheus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "copy")
    times = ["--start", str(START // 1000), "--end", str((START + 6 * HOUR) // 1000)]

    assert run(["import", prometheus, "--data", target, *times]) == 0
    assert run(["import", prometheus, "--data", target, *times]) == 0

    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"copied {3 * 3 * 6} samples of 2026-01-01T00:00:01Z to ")
    assert second.startswith("copied 0 samples of 2026-01-01T05:50:")
    assert run(["check", target]) == 0


def test_options_of_servers_are_refused_for_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.prom").write_text("up 1 1\n")

    code = run(["import", str(tmp_path / "page.prom"), "--data", str(tmp_path / "d"), "--match=up"])

    assert code == 2
    assert "address of a server" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_an_end_before_the_start_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = ["--start=2026-01-02", "--end=2026-01-01"]

    assert run(["import", "http://127.0.0.1:9", "--data", str(tmp_path / "d"), *times]) == 2
    assert "--end is before --start" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_an_error_that_names_it(prometheus: str, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    with tsdb.open(folder) as database:
        copy_samples(database, folder, at(prometheus), end_ms=START + HOUR)
        (path,) = (folder / "imports").iterdir()
        path.write_text("{")
        with pytest.raises(InputError, match=f"{path.name} is damaged"):
            copy_samples(database, folder, at(prometheus))
