"""A message with series that are at fault: which ones are stored, and what the answer says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cramjam
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.errors import InputError, LimitExceeded
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.remote_write.decoder import RemoteWriteDecoder
from novaql.server.auth.roles import Role
from novaql.server.ingest.partial_write import MOST_AT_FAULT, ValidSeries
from novaql.server.ingest.spool import Incoming
from novaql.server.ingest.write_parts import Parts, PartSizes, parts_1, parts_2
from novaql.tsdb.model.samples import Batch
from tests.support.messages.remote_messages import write_2_message
from tests.support.messages.remote_write_messages import message_of
from tests.support.servers.http_server import LocalServer, local_server

Series = tuple[dict[str, str], list[tuple[int, float]]]
FIRST = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
SECOND = FIRST | {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "X-Prometheus-Remote-Write-Version": "2.0.0",
}
WRITTEN = [f"X-Prometheus-Remote-Write-{n}-Written" for n in ("Samples", "Histograms", "Exemplars")]
NAMELESS, TIMELESS = "nameless", "timeless"


def series_of(number: int, fault: str) -> Series:
    labels = {"__name__": "m", "no": str(number)}
    if fault == NAMELESS:
        del labels["__name__"]
    return labels, [(2**63 - 1 if fault == TIMELESS else 1000, float(number)), (2000, 1.0)]


def first(some: list[Series]) -> bytes:
    return bytes(message_of(some).SerializeToString())


def second(some: list[Series]) -> bytes:
    return bytes(write_2_message(some).SerializeToString())


VERSIONS: dict[
    str, tuple[Callable[[list[Series]], bytes], Callable[[memoryview, PartSizes], Parts]]
] = {
    "1.0": (first, lambda data, sizes: parts_1(data, RemoteWriteDecoder(), USUAL_LIMITS, sizes)),
    "2.0": (second, lambda data, sizes: parts_2(data, RemoteWriteDecoder(), USUAL_LIMITS, sizes)),
}


def sound(parts: Parts) -> tuple[ValidSeries, list[Batch]]:
    reading = ValidSeries()
    batches = [read.batch for read in reading.of(parts) if isinstance(read, Incoming)]
    reading.need_some()
    return reading, batches


FAULTS = st.lists(
    st.sampled_from(["", "", "", NAMELESS, TIMELESS]), min_size=2, max_size=40
).filter(lambda some: not all(some))


def read_in_parts(version: str, part_bytes: int, faults: list[str]) -> None:
    """Check what is stored, and what the answer says."""
    sizes = PartSizes(quick=2 * part_bytes, plain=part_bytes)
    write, parts = VERSIONS[version]
    data = write([series_of(n, f) for n, f in enumerate(faults)])
    reading, batches = sound(parts(memoryview(data), sizes))
    used = set()
    for batch in batches:
        if len(batch):
            codes = batch.series.column("no").codes[batch.series_index]
            used |= {batch.series.column("no").values[code] for code in codes.tolist()}
    assert used == {str(n) for n, fault in enumerate(faults) if not fault}
    if any(faults):
        summary = f"of {len(faults)} time series {sum(map(bool, faults))} "
        assert summary in reading.left_out()
        named = [f"number {n + 1}:" for n, fault in enumerate(faults) if fault]
        assert all(name in reading.left_out() for name in named[:3])
    else:
        assert reading.left_out() == ""


@pytest.mark.parametrize("part_bytes", [64, 1 << 17])
@pytest.mark.parametrize("version", VERSIONS)
@given(faults=FAULTS)
@settings(max_examples=40, deadline=None)
def test_what_is_sound_is_what_is_not_at_fault(
    version: str, part_bytes: int, faults: list[str]
) -> None:
    """Whether the message is read at once, or a series or two at a time."""
    read_in_parts(version, part_bytes, faults)


@pytest.fixture(scope="module")
def compiled() -> None:
    pytest.importorskip("numba", reason="pip install 'novaql[fast]' brings numba")
    WALKS.prepare()
    if WALKS.ready() is None:
        pytest.skip("NOVAQL_COMPILED=off: run without it")


@pytest.mark.slow
@pytest.mark.usefixtures("compiled")
@given(faults=FAULTS, part_bytes=st.sampled_from([64, 100, 200]))
@settings(max_examples=40, deadline=None)
def test_compiled_code_leaves_out_the_same_series(part_bytes: int, faults: list[str]) -> None:
    read_in_parts("1.0", part_bytes, faults)


@pytest.mark.slow
@pytest.mark.usefixtures("compiled")
def test_a_message_that_is_cut_off_stores_nothing_of_its_beginning() -> None:
    """Although compiled code has read parts of it."""
    data = first([series_of(n, "") for n in range(100)])[:-3]
    decoder = RemoteWriteDecoder()
    parts = parts_1(memoryview(data), decoder, USUAL_LIMITS, PartSizes(quick=256, plain=128))
    with pytest.raises(InputError, match="ends behind"):
        sound(parts)
    (rest,) = sound(parts_1(memoryview(first([series_of(7, "")])), decoder, USUAL_LIMITS))[1]
    assert rest.series.rows == 1  # the decoder has none of the others


@pytest.mark.slow
@pytest.mark.usefixtures("compiled")
def test_series_of_all_parts_are_counted() -> None:
    data = first([series_of(n, "") for n in range(100)])
    limits = LabelLimits(series=99)
    parts = parts_1(
        memoryview(data), RemoteWriteDecoder(limits=limits), limits, PartSizes(quick=256, plain=128)
    )
    with pytest.raises(LimitExceeded, match="more than 99 series"):
        sound(parts)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_of_which_too_much_is_at_fault_is_refused(version: str) -> None:
    write, parts = VERSIONS[version]
    at_fault = [NAMELESS] * (MOST_AT_FAULT + 1)
    data = write([series_of(n, fault) for n, fault in enumerate([*at_fault, *[""] * 5000])])
    with pytest.raises(InputError, match="no metric name"):
        sound(parts(memoryview(data), PartSizes()))
    few = write([series_of(n, fault) for n, fault in enumerate([NAMELESS] * 3 + [""] * 5000)])
    assert sum(map(len, sound(parts(memoryview(few), PartSizes()))[1])) == 10_000


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        yield made


def sent(server: LocalServer, headers: dict[str, str], data: bytes) -> tuple[int, str, list[str]]:
    body = bytes(cramjam.snappy.compress_raw(data))
    bearer = server.bearer(Role.OPERATOR)
    answer = server.client.post("/api/v1/write", content=body, headers=headers | bearer)
    return answer.status_code, answer.text, [answer.headers[name] for name in WRITTEN]


@pytest.mark.parametrize(("headers", "write"), [(FIRST, first), (SECOND, second)])
def test_the_others_are_stored_and_the_answer_says_so(
    server: LocalServer,
    headers: dict[str, str],
    write: Callable[[list[Series]], bytes],
) -> None:
    base = 100 if write is first else 200
    faults = ["", NAMELESS, "", ""]
    data = write([series_of(base + n, fault) for n, fault in enumerate(faults)])

    status, text, written = sent(server, headers, data)

    assert status == 400
    assert "partial write: of 4 time series 1 is left out: number 2: it has no metric name" in text
    assert written == ["6", "0", "0"]
    found = server.prometheus("query", query=f'm{{no=~"{base // 100}.."}}', time=2).json()
    numbers = {one["metric"]["no"] for one in found["data"]["result"]}
    assert numbers == {str(base), str(base + 2), str(base + 3)}


@pytest.mark.parametrize(("headers", "write"), [(FIRST, first), (SECOND, second)])
def test_the_answer_names_samples_that_come_too_late(
    headers: dict[str, str], write: Callable[[list[Series]], bytes]
) -> None:
    with local_server(tsdb.memory(out_of_order_ms=1000)) as server:
        good = write([({"__name__": "m"}, [(60_000, 1.0)])])
        assert sent(server, headers, good)[::2] == (204, ["1", "0", "0"])
        late = write([({"__name__": "m"}, [(1_000, 1.0), (61_000, 2.0)])])
        status, text, written = sent(server, headers, late)
        found = server.prometheus("query", query="m[2m]", time=61).json()
    assert status == 400
    assert "partial write: 1 sample is older than this store accepts" in text
    assert written == ["1", "0", "0"]
    assert found["data"]["result"][0]["values"] == [[60, "1"], [61, "2"]]
