"""Files, answers and requests of others with broken bytes: refused in words, or read.

NOVAQL_FUZZ=100000 pytest tests/inputs/test_broken_files.py   tries that many of each.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import cramjam
import google_crc32c
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novaql import tsdb
from novaql.errors import InputError
from novaql.inputs.importer import import_into
from novaql.inputs.prometheus import read_messages as answers
from novaql.rules.problems import FileProblems
from novaql.saving import save
from novaql.server.prometheus import read_messages as requests
from novaql.server.scraping.config import read_scrape_jobs
from novaql.server.scraping.discovery import FileWatch
from novaql.server.scraping.model import FileDiscovery
from novaql.tsdb import Matcher, MatchOp
from tests.support.generators.fuzzing import EXAMPLES
from tests.support.messages.message_mutations import mutated
from tests.support.store.model import batch_of
from tests.support.store.stored_histograms import simple

T0 = 1_700_000_000_000
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A sound file of each kind, by its suffix."""
    folder = tmp_path_factory.mktemp("good")
    with tsdb.memory() as database:
        for job in ("a", "ö"):
            labels = {"__name__": "m", "job": job}
            database.append(batch_of([(labels, T0 + n, n / 7) for n in range(20)]))
        database.append(batch_of([({"__name__": "h"}, T0, simple(2, b0=1, b1=1))]))
        for name in ("a.parquet", "a.arrow", "a.csv", "a.om", "a.prom", "a.jsonl"):
            save(database, folder / name)
    made = {path.suffix: path.read_bytes() for path in folder.iterdir()}
    made[".lp"] = b"m,job=a v=1.5 1700000000000000000\nm v=2i\n"
    packed = {
        f"{suffix}.gz": gzip.compress(made[suffix], mtime=0) for suffix in (".csv", ".om", ".jsonl")
    }
    return made | packed | {".jsonl.zst": bytes(cramjam.zstd.compress(made[".jsonl"]))}


@pytest.mark.slow
@pytest.mark.parametrize(
    "suffix",
    [
        *(".parquet", ".arrow", ".csv", ".om", ".prom", ".jsonl", ".lp"),
        *(".csv.gz", ".om.gz", ".jsonl.gz", ".jsonl.zst"),
    ],
)
@FUZZED
@given(data=st.data())
def test_broken_files_are_refused_or_read(
    tmp_path: Path, good: dict[str, bytes], suffix: str, data: st.DataObject
) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(data.draw(mutated(good[suffix])))
    with tsdb.memory() as database:
        with suppress(InputError):
            import_into(database, str(path))
        path.write_bytes(good[suffix])
        import_into(database, str(path))
        assert database.stats().head_samples > 0


def part(number: int, *inside: bytes) -> bytes:
    """A field with bytes; messages here are short."""
    message = b"".join(inside)
    return bytes([number << 3 | 2, len(message)]) + message


def frame(message: bytes) -> bytes:
    """Of a streamed answer."""
    crc = int(google_crc32c.value(message))
    return bytes([len(message)]) + crc.to_bytes(4, "big") + message


LABEL = part(1, part(1, b"a"), part(2, b"b"))
CHUNK = part(2, b"\x08\x01\x10\x02\x18\x01", part(4, bytes(7)))
SERIES = part(1, LABEL, CHUNK)
PLAIN = part(1, part(1, LABEL, part(2, b"\x09", bytes(8), b"\x10\x05")))
REQUEST = answers.read_request(
    [Matcher("a", MatchOp.REGEX, "b|c"), Matcher("d", MatchOp.NOT_EQUAL, "")],
    1,
    2,
    labels_only=True,
)
MESSAGES: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "streamed answer": (SERIES, lambda m: [*answers.series_of_frames(BytesIO(frame(m)), "answer")]),
    "frames": (
        frame(SERIES) * 2, lambda m: [*answers.series_of_frames(BytesIO(m), "answer")],
    ),
    "answer": (PLAIN, lambda m: [*answers.results_of(m)]),
    "label sets": (PLAIN, lambda m: [*answers.label_sets_of(m)]),
    "request": (REQUEST, requests.read_request),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
@FUZZED
@given(data=st.data())
def test_broken_messages_of_remote_read_are_refused_or_read(name: str, data: st.DataObject) -> None:
    message, read = MESSAGES[name]
    assert read(message)
    broken = data.draw(mutated(message).filter(lambda m: len(m) < 128))
    with suppress(InputError):
        read(broken)


GROUPS = json.dumps([{"targets": ["a:1", "b:2"], "labels": {"x": "y", "__z": ""}}]).encode()
YAML = b"- targets: ['a:1', b]\n  labels: {x: y}\n- targets: []\n"
JOBS = b"""global: {scrape_interval: 15s}
scrape_configs:
- job_name: a
  scrape_timeout: 5s
  static_configs: [{targets: ['a:1'], labels: {x: y}}]
  relabel_configs: [{source_labels: [x], regex: '(.*)', target_label: z, replacement: $1}]
  sample_limit: 10
"""


@pytest.mark.parametrize(("name", "body"), [("a.json", GROUPS), ("a.yml", YAML)])
@FUZZED
@given(data=st.data())
def test_broken_files_of_targets_are_refused_or_read(
    tmp_path: Path, name: str, body: bytes, data: st.DataObject
) -> None:
    path = tmp_path / name
    path.write_bytes(data.draw(mutated(body)))
    FileWatch(FileDiscovery(files=(str(path),))).groups()  # what is wrong with it, the log says
    path.write_bytes(body)
    found = FileWatch(FileDiscovery(files=(str(path),))).groups()
    assert found is not None
    assert [*found[0].targets] == ["a:1", "b:2" if name == "a.json" else "b"]


@pytest.mark.slow
@FUZZED
@given(data=st.data())
def test_broken_configurations_are_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_bytes(data.draw(mutated(JOBS)))
    with suppress(FileProblems):
        read_scrape_jobs(path)
    path.write_bytes(JOBS)
    (job,) = read_scrape_jobs(path)
    assert job.job_name == "a"
